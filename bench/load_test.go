package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"headcount/client/clienttest"
)

// bench runs the load command for 300 ms over 8 connections and returns its exit
// status, what it printed, and the figures it wrote.
func bench(t *testing.T, args ...string) (exit int, printed string, written report) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "figures.json")
	args = append([]string{"load", "--duration", "300ms", "--connections", "8", "--json", file}, args...)
	var out, errs bytes.Buffer
	exit = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	if document, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(document, &written); err != nil {
			t.Fatal(err)
		}
	}
	return exit, out.String() + errs.String(), written
}

// serve serves all paths but /readyz until the test ends.
func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			handler(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// emptyHandler serves nothing from this process, as the processes of a load do.
func emptyHandler(t *testing.T) (url string) {
	t.Helper()
	in, stop := io.Pipe()
	address, said := io.Pipe()
	ended := make(chan error, 1) // the cleanup takes it, or the test has failed
	go func() { ended <- serveEmpty(in, said, emptyOptions{}) }()
	line := make([]byte, 100)
	n, err := address.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop.Close()
		if err := <-ended; err != nil {
			t.Errorf("the empty handler ended: %v", err)
		}
	})
	return "http://" + strings.TrimSpace(string(line[:n]))
}

func TestLoadMeasuresTheClusterBesideTheEmptyHandler(t *testing.T) {
	url := emptyHandler(t)
	exit, printed, written := bench(t, "--url", url+","+url, "--runs", "2", "--users", "1000")
	if exit != exitGood || len(written.Runs) != 2 {
		t.Fatalf("exit status %d, %d runs:\n%s", exit, len(written.Runs), printed)
	}
	for _, m := range written.Runs {
		if m.Empty == nil || m.Ratio <= 0 {
			t.Fatalf("no baseline: %+v", m)
		}
		// One slice of the cluster between two of the empty handler.
		if m.Cluster.Seconds < 0.3 || m.Empty.Seconds < 0.6 {
			t.Errorf("driven for %.2f s and %.2f s, want at least 0.3 and 0.6", m.Cluster.Seconds, m.Empty.Seconds)
		}
		for name, f := range map[string]figures{"cluster": m.Cluster, "empty": *m.Empty} {
			l := f.Latency
			if f.Acknowledged == 0 || f.Replies["200"] != f.Acknowledged || len(f.Trouble) > 0 {
				t.Errorf("%s: %+v", name, f)
			}
			if l.P50 <= 0 || l.P50 > l.P90 || l.P90 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max {
				t.Errorf("%s: latencies out of order: %+v", name, l)
			}
		}
	}
	for _, sign := range []string{"8 connections to 2 URLs", "single POSTs", "median of 2 runs", "run 2, cluster replies: 200:"} {
		if !strings.Contains(printed, sign) {
			t.Errorf("%q is missing in:\n%s", sign, printed)
		}
	}
}

func TestEveryRequestIsAWriteTheAPITakes(t *testing.T) {
	for name, args := range map[string][]string{
		"single": {"--segments", "1", "--users", "1"},
		"bulk":   {"--bulk", "50"},
	} {
		t.Run(name, func(t *testing.T) {
			server := clienttest.New(t)
			exit, printed, written := bench(t, append(args, "--url", server.URL, "--no-baseline")...)
			if exit != exitGood || len(written.Runs) != 1 || written.Runs[0].Empty != nil {
				t.Fatalf("exit status %d:\n%s", exit, printed)
			}
			got := written.Runs[0].Cluster
			if want := got.RequestsPerSecond * float64(max(1, written.Bulk)); got.WritesPerSecond < want*0.999 {
				t.Errorf("%.0f writes/s of %.0f sent", got.WritesPerSecond, want)
			}
			if held := server.Memberships(); held == 0 || uint64(held) > got.Acknowledged {
				t.Errorf("%d memberships held of %d acknowledged", held, got.Acknowledged)
			}
		})
	}
}

func TestTheExitStatusTellsPromisedErrorsFromOthers(t *testing.T) {
	problem := func(w http.ResponseWriter, status int) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		io.WriteString(w, `{"detail":"the outbox is full"}`)
	}
	for _, c := range []struct {
		name  string
		serve func(w http.ResponseWriter)
		args  []string
		exit  int
		kind  string
	}{
		{"503", func(w http.ResponseWriter) { problem(w, 503) }, nil, exitGood, "503 not applied"},
		{"504", func(w http.ResponseWriter) { problem(w, 504) }, nil, exitGood, "504 outcome unknown"},
		{"503 unlabelled", func(w http.ResponseWriter) { w.WriteHeader(503) }, nil, exitFailed, "503 without a problem document"},
		{"400", func(w http.ResponseWriter) { problem(w, 400) }, nil, exitFailed, "400"},
		{"500", func(w http.ResponseWriter) { problem(w, 500) }, nil, exitFailed, "500"},
		{"cut", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, nil, exitFailed, "connection closed instead of a reply"},
		{"a rejected record", func(w http.ResponseWriter) {
			io.WriteString(w, `{"created":1,"rejected":1,"rejections":[{"record":2,"reason":"too long"}]}`)
		}, []string{"--bulk", "2"}, exitFailed, "record rejected"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int64
			// Every other request succeeds: some write is acknowledged.
			server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if requests.Add(1)%2 == 0 {
					c.serve(w)
				}
			})
			exit, printed, written := bench(t, append(c.args, "--url", server.URL, "--no-baseline", "--duration", "100ms")...)
			if exit != c.exit || len(written.Runs) != 1 {
				t.Fatalf("exit status %d, want %d:\n%s", exit, c.exit, printed)
			}
			got := written.Runs[0].Cluster
			if trouble := got.Trouble[c.kind]; trouble == nil || trouble.Count == 0 || len(got.Trouble) != 1 {
				t.Errorf("%+v: want only %q:\n%s", got, c.kind, printed)
			}
		})
	}
}

func TestRetryAfterIsHonouredAndNothingAcknowledgedIsAFailure(t *testing.T) {
	var requests atomic.Int64
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(503)
		io.WriteString(w, `{"detail":"no leader"}`)
	})
	exit, printed, _ := bench(t, "--url", server.URL, "--no-baseline")
	if exit != exitFailed || requests.Load() != 8 {
		t.Errorf("exit status %d after %d requests, want 1 after one from each of 8 connections:\n%s", exit, requests.Load(), printed)
	}
}

func TestConnectionsClosedWhileTheyRestedAreNoFailure(t *testing.T) {
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	o, err := parseOptions([]string{"--url", server.URL, "--connections", "4"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	f := newFleet(o, nil)
	defer f.close()
	if err := f.open(t.Context(), toCluster); err != nil {
		t.Fatal(err)
	}
	f.drive(t.Context(), toCluster, newPace(0, 50*time.Millisecond))
	earlier, _ := f.total(toCluster)
	before := earlier.done
	server.CloseClientConnections()
	f.drive(t.Context(), toCluster, newPace(0, 50*time.Millisecond))
	after, _ := f.total(toCluster)
	if before == 0 || after.done <= before || len(after.trouble) > 0 {
		t.Errorf("%d requests before, %d after, trouble %v", before, after.done, after.trouble)
	}
}

func TestNobodyListensAtTheURL(t *testing.T) {
	server := serve(t, nil)
	server.Close()
	exit, printed, _ := bench(t, "--url", server.URL)
	if exit != exitFailed || !strings.Contains(printed, "connection refused") || strings.Count(printed, "\n") != 1 {
		t.Errorf("exit status %d, printed %q: want the reason in one line", exit, printed)
	}
}

func TestTheTwoTargetsTakeTurns(t *testing.T) {
	turns, slice := plan(options{duration: 10 * time.Second, baseline: true})
	if len(turns) != 11 || slice != 2*time.Second {
		t.Fatalf("%d turns of %s, want 11 of 2s", len(turns), slice)
	}
	for i, to := range turns {
		if want := []target{toEmpty, toCluster}[i%2]; to != want {
			t.Errorf("turn %d is %d's, want %d's", i, to, want)
		}
	}
	if turns, slice = plan(options{duration: 300 * time.Millisecond}); len(turns) != 1 || turns[0] != toCluster || slice != 300*time.Millisecond {
		t.Errorf("without a baseline: %v of %s", turns, slice)
	}
}

// A stall is felt by every request that falls due in it, not only by those that are
// under way when it begins: by as many as there are connections.
func TestAStallIsFeltByAllThatFallDueInIt(t *testing.T) {
	const rate, stall = 200, 300 * time.Millisecond
	var requests atomic.Int64
	var gate sync.Mutex
	server := serve(t, func(http.ResponseWriter, *http.Request) {
		gate.Lock()
		defer gate.Unlock()
		if requests.Add(1) == 20 {
			time.Sleep(stall)
		}
	})
	o, err := parseOptions([]string{"--url", server.URL, "--connections", "2", "--rate", strconv.Itoa(rate)}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	f := newFleet(o, nil)
	defer f.close()
	if err := f.open(t.Context(), toCluster); err != nil {
		t.Fatal(err)
	}
	pace := newPace(o.rate, time.Second)
	f.drive(t.Context(), toCluster, pace)
	total, _ := f.total(toCluster)
	if pace.scheduled() != rate || total.sent > rate || total.done != total.sent || len(total.trouble) > 0 {
		t.Fatalf("%d scheduled, want %d; %d sent, %d done, trouble %v", pace.scheduled(), rate, total.sent, total.done, total.trouble)
	}
	var slow uint64
	for _, bar := range total.latency.Distribution() {
		if bar.From >= (stall / 3).Microseconds() {
			slow += uint64(bar.Count)
		}
	}
	// On a slow machine more of them are, or are not sent at all.
	if due := uint64(rate * (stall * 2 / 3).Seconds()); slow+rate-total.sent < due-2 {
		t.Errorf("%d of %d requests waited for a third of the stall or longer, want %d", slow, total.sent, due)
	}
}

func TestWhatCouldNotBeSentIsTold(t *testing.T) {
	server := serve(t, func(http.ResponseWriter, *http.Request) { time.Sleep(50 * time.Millisecond) })
	exit, printed, written := bench(t, "--url", server.URL, "--rate", "10000", "--no-baseline")
	if exit != exitGood || len(written.Runs) != 1 {
		t.Fatalf("exit status %d:\n%s", exit, printed)
	}
	f := written.Runs[0].Cluster
	if f.Acknowledged+f.NotSent != 3000 || f.NotSent < 2900 || !strings.Contains(printed, "not sent until the end") {
		t.Errorf("%d acknowledged and %d not sent of 3000:\n%s", f.Acknowledged, f.NotSent, printed)
	}
}

func TestAFixedRateIsKeptForBothTargets(t *testing.T) {
	url := emptyHandler(t)
	exit, printed, written := bench(t, "--url", url, "--rate", "100", "--duration", "1s")
	if exit != exitGood || len(written.Runs) != 1 || written.Runs[0].Empty == nil || written.Runs[0].Ratio != 0 {
		t.Fatalf("exit status %d:\n%s", exit, printed)
	}
	for name, f := range map[string]figures{"cluster": written.Runs[0].Cluster, "empty": *written.Runs[0].Empty} {
		if f.Acknowledged+f.NotSent != 100 {
			t.Errorf("%s: %d acknowledged and %d not sent of 100 due", name, f.Acknowledged, f.NotSent)
		}
	}
}

// Writes go on beside the reads, whichever target is being read.
func TestWritesBesideTheCounts(t *testing.T) {
	var writes, reads atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			writes.Add(1)
			return
		}
		reads.Add(1)
		_, _ = io.WriteString(w, "[]")
	}).URL
	exit, printed, written := bench(t, "--url", url, "--counts", "--beside", "100", "--runs", "2")
	if exit != exitGood || len(written.Runs) != 2 {
		t.Fatalf("exit status %d:\n%s", exit, printed)
	}
	var beside uint64
	for _, m := range written.Runs {
		if m.Beside == nil || m.Beside.Acknowledged == 0 || m.Beside.Seconds < m.Cluster.Seconds+m.Empty.Seconds {
			t.Fatalf("%+v", m)
		}
		beside += m.Beside.Acknowledged
	}
	if beside != uint64(writes.Load()) || reads.Load() == 0 {
		t.Errorf("%d writes counted of %d, %d reads", beside, writes.Load(), reads.Load())
	}
}

// Reads of the counts are measured beside replies of the same size.
func TestCountsAreMeasuredBesideRepliesOfTheirSize(t *testing.T) {
	const body = `[{"title":"sports","usersCount":1}]`
	var others atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" || r.URL.Path != "/segments/count" {
			others.Add(1)
		}
		_, _ = io.WriteString(w, body)
	}).URL
	exit, printed, written := bench(t, "--url", url, "--counts")
	if exit != exitGood || others.Load() > 0 || !written.Counts || !strings.Contains(printed, "reads/s") {
		t.Fatalf("exit status %d, %d other requests:\n%s", exit, others.Load(), printed)
	}
	empty, err := startEmpty(t.Context(), emptyOptions{replyBytes: len(body)})
	if err != nil {
		t.Fatal(err)
	}
	c := newConnection(empty.address)
	if err := c.exchange([]byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n")); err != nil || len(c.reply.body) != len(body) {
		t.Errorf("the empty handler replies with %d bytes, want %d: %v", len(c.reply.body), len(body), err)
	}
	c.close()
	empty.input.Close()
	if err := empty.command.Wait(); err != nil {
		t.Error(err)
	}
	if exit, _, _ := bench(t, "--url", url, "--counts", "--bulk", "5"); exit != exitUsage {
		t.Errorf("--counts with --bulk: exit status %d", exit)
	}
}
