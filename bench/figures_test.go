package main

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func TestMergedTalliesAreAsOne(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	whole, merged := newTally(false), newTally(false)
	for range 16 {
		part := newTally(false)
		for range 1000 {
			r := reply{status: 201}
			if random.IntN(10) == 0 {
				r = reply{status: 503, problem: true, body: []byte(`{"detail":"no leader"}`)}
			}
			took := time.Duration(random.ExpFloat64() * float64(5*time.Millisecond))
			part.replied(&r, took, 1)
			whole.replied(&r, took, 1)
		}
		merged.merge(part)
	}
	if got, want := fmt.Sprintf("%+v", stripped(merged)), fmt.Sprintf("%+v", stripped(whole)); got != want {
		t.Errorf("merged: %s\nwhole:  %s", got, want)
	}
	if f := figuresOf(merged, time.Second, 0); f.Latency.P50 < 3 || f.Latency.P50 > 4 || f.Acknowledged < 14_000 {
		t.Errorf("%+v: want a median near 5 ms · ln 2", f)
	}
}

// stripped are the figures without what prints as an address.
func stripped(t *tally) figures {
	f := figuresOf(t, time.Second, 0)
	f.Replies["troubled"] = f.Trouble["503 not applied"].Count
	f.Trouble = nil
	return f
}

func TestLatenciesBeyondTheHistogramAreClamped(t *testing.T) {
	tally := newTally(false)
	tally.replied(&reply{status: 200}, 2*latencyMax, 1)
	tally.replied(&reply{status: 200}, -time.Second, 1)
	f := figuresOf(tally, time.Second, 0)
	if n := tally.latency.TotalCount(); n != 2 || f.Latency.Max < 0.99*float64(latencyMax.Milliseconds()) || f.Latency.Max > 1.01*float64(latencyMax.Milliseconds()) {
		t.Errorf("%d latencies, the longest %.0f ms: want 2 and %s", n, f.Latency.Max, latencyMax)
	}
}

func TestKindsOfTroubleAreBounded(t *testing.T) {
	tally := newTally(false)
	for i := range 10 * kindsMax {
		tally.add(fmt.Sprint(i), 1, true, "")
	}
	if len(tally.trouble) > kindsMax+1 || tally.trouble["other"].Count != 9*kindsMax {
		t.Errorf("%d kinds", len(tally.trouble))
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		numbers []float64
		want    float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(c.numbers); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.numbers, got, c.want)
		}
	}
}

func TestNumbersAreGrouped(t *testing.T) {
	for number, want := range map[float64]string{0: "0", 999.6: "1,000", 999: "999", 1_234_567: "1,234,567"} {
		if got := grouped(number); got != want {
			t.Errorf("%v is written %q, want %q", number, got, want)
		}
	}
}
