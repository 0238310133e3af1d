package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
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
	go func() { ended <- serveEmpty(in, said, 0) }()
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
	f.drive(t.Context(), toCluster, 50*time.Millisecond)
	before := f.total(toCluster).done
	server.CloseClientConnections()
	f.drive(t.Context(), toCluster, 50*time.Millisecond)
	after := f.total(toCluster)
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
	empty, err := startEmpty(t.Context(), len(body))
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
