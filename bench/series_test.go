package main

import (
	"encoding/xml"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"headcount/client/clienttest"
)

// Every latency is within a tenth of its step, and longer ones have no smaller steps.
func TestSteps(t *testing.T) {
	last := 0
	for us := 8.0; us < 200e6; us *= 1.01 {
		took := time.Duration(us) * time.Microsecond
		step := stepOf(took)
		if step < last {
			t.Fatalf("%v is in step %d, and shorter ones in %d", took, step, last)
		}
		last = step
		if ratio := latencyOf(step) / (us / 1000); math.Abs(ratio-1) > 0.13 {
			t.Fatalf("%v is in a step of %.4f ms", took, latencyOf(step))
		}
	}
	for _, took := range []time.Duration{-1, 0, time.Hour} {
		if step := stepOf(took); step < 0 || step >= seriesOctaves*seriesSteps {
			t.Errorf("%v is in step %d", took, step)
		}
	}
}

// The points of a series are those of the sorted latencies, window by window.
func TestSeriesPoints(t *testing.T) {
	began := time.Now()
	s := newSeries(began, 2*time.Second)
	random := rand.New(rand.NewPCG(1, 2))
	byWindow := map[int][]float64{}
	for range 20_000 {
		at := time.Duration(random.Int64N(int64(2 * time.Second)))
		took := time.Duration(math.Exp(random.NormFloat64()+7)) * time.Microsecond
		s.add(began.Add(at), took, 3)
		byWindow[int(at/s.width)] = append(byWindow[int(at/s.width)], float64(took.Microseconds())/1000)
	}
	points := s.points()
	if len(points) != len(byWindow) {
		t.Fatalf("%d windows, want %d", len(points), len(byWindow))
	}
	for i, p := range points {
		latencies := slices.Sorted(slices.Values(byWindow[i]))
		if want := 3 * float64(len(latencies)) / s.width.Seconds(); math.Abs(p.WritesPerSecond-want) > 1e-6*want {
			t.Errorf("window %d: %.0f writes/s, want %.0f", i, p.WritesPerSecond, want)
		}
		for name, got := range map[string][2]float64{
			"p50": {p.P50, quantile(latencies, 0.5)}, "p99": {p.P99, quantile(latencies, 0.99)}, "max": {p.Max, quantile(latencies, 1)},
		} {
			if math.Abs(got[0]/got[1]-1) > 0.15 {
				t.Errorf("window %d: %s is %.3f ms, want %.3f", i, name, got[0], got[1])
			}
		}
	}
	(*series)(nil).add(began, 0, 1) // it is not kept
}

// A load with reads among its writes, and a page of it that needs nothing else.
func TestReadsAndThePage(t *testing.T) {
	server := clienttest.New(t)
	file := filepath.Join(t.TempDir(), "page.html")
	exit, printed, written := bench(t, "--url", server.URL, "--reads", "0.25", "--segments", "5", "--users", "1000", "--html", file)
	if exit != exitGood || len(written.Runs) != 1 {
		t.Fatalf("exit status %d:\n%s", exit, printed)
	}
	m := written.Runs[0]
	if m.ClusterReads == nil || m.EmptyReads == nil {
		t.Fatalf("no reads: %+v", m)
	}
	share := m.ClusterReads.RequestsPerSecond / (m.ClusterReads.RequestsPerSecond + m.Cluster.RequestsPerSecond)
	if math.Abs(share-0.25) > 0.05 {
		t.Errorf("%.3f of the requests are reads", share)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	drawings := regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(string(text), -1)
	if len(drawings) != 2 {
		t.Fatalf("%d charts:\n%s", len(drawings), text)
	}
	for _, svg := range drawings {
		if err := xml.Unmarshal([]byte(svg), new(struct{})); err != nil || !strings.Contains(svg, "<polyline") || strings.Contains(svg, "NaN") {
			t.Errorf("%v: %s", err, svg)
		}
	}
	if outside := regexp.MustCompile(`(src|href)=`).FindString(string(text)); outside != "" {
		t.Errorf("the page needs something else: %s", outside)
	}
}

func TestMarksAreRoundAndWithin(t *testing.T) {
	for high := 0.0013; high < 1e7; high *= 1.37 {
		marks := linearMarks(high)
		if len(marks) < 4 || len(marks) > 12 || marks[0] != 0 || marks[len(marks)-1] > high {
			t.Errorf("up to %g: %v", high, marks)
		}
	}
}
