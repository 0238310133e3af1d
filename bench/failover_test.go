package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Real nodes, really killed and stopped, and not one write lost.
func TestNothingIsLostWhenALeaderEnds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "failover.json")
	var out, errs bytes.Buffer
	exit := run(t.Context(), []string{
		"failover", "--kind", "kill,stop", "--times", "1", "--rate", "200", "--connections", "8",
		"--port", "18100", "--data", t.TempDir(), "--json", file,
	}, strings.NewReader(""), &out, &errs)
	if exit != exitGood {
		t.Fatalf("exit status %d:\n%s%s", exit, out.String(), errs.String())
	}
	document, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var report failoverReport
	if err := json.Unmarshal(document, &report); err != nil || len(report.Kinds) != 2 {
		t.Fatalf("%v: %s", err, document)
	}
	for _, f := range report.Kinds {
		// Some seconds at 200 a second; every one is settled.
		if f.Acknowledged != f.Sent || f.Counted != f.Sent || f.Sent < 1000 || len(f.GapsMilliseconds) != 1 || f.GapsMilliseconds[0] <= 0 {
			t.Errorf("%+v:\n%s", f, out.String())
		}
	}
	if left, err := filepath.Glob("bench-cluster-*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q (%v)", left, err)
	}
}

// A writer repeats what was refused, cut or left open, and a loss shows.
func TestWritersRepeatAndALossShows(t *testing.T) {
	var requests, held atomic.Int64
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			fmt.Fprintf(w, `{"title":"s","usersCount":%d}`, held.Load())
			return
		}
		problem := func(status int) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			io.WriteString(w, `{"detail":"not now"}`)
		}
		switch requests.Add(1) % 5 {
		case 1:
			problem(503)
		case 2:
			problem(504)
		case 3:
			panic(http.ErrAbortHandler)
		default:
			held.Add(1)
			w.WriteHeader(201)
		}
	})
	w, err := newWriters([]string{server.URL, server.URL}, 4, "t")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	w.run(ctx, 100)
	f := w.figures("none", nil)
	if f.Acknowledged != f.Sent || f.Acknowledged != uint64(held.Load()) || f.Sent == 0 {
		t.Errorf("%d sent, %d acknowledged, %d held", f.Sent, f.Acknowledged, held.Load())
	}
	for _, kind := range []string{"503 not applied", "504 outcome unknown", "connection closed instead of a reply"} {
		if f.Trouble[kind] == nil {
			t.Errorf("no %q in %v", kind, f.Trouble)
		}
	}
	held.Add(-1)
	if f.Counted, err = w.counted(t.Context(), []string{server.URL}); err != nil || f.lost() != 1 || f.good() {
		t.Errorf("one is missing, and %d are lost (%v)", f.lost(), err)
	}
	if f.Counted = f.Sent + 1; f.good() {
		t.Error("the cluster has more than was sent, and that is good")
	}
}

func TestTheGapIsTheLongestAroundTheFault(t *testing.T) {
	began := time.Now().Add(-time.Hour)
	at := func(ms ...int) (acks []ack) {
		for _, m := range ms {
			acks = append(acks, ack{at: began.Add(time.Duration(m) * time.Millisecond)})
		}
		return acks
	}
	after := int(afterFault.Milliseconds())
	for name, c := range map[string]struct {
		acks []ack
		want int // ms; -1: an hour or so
	}{
		"right after it":              {at(0, 990, 1500, 1600, 1700), 510},
		"later":                       {at(0, 990, 1010, 1600, 1700), 590},
		"longer than what is watched": {at(990, 1000+after+5000), after + 5010},
		"not before it":               {at(0, 999, 1001), 2},
		"not when it is over":         {at(999, 1001, 1000+after, 1000+after+9000), after - 1},
		"for ever":                    {at(0, 500), -1},
		"nothing at all":              {nil, -1},
	} {
		got := gap(c.acks, began.Add(time.Second))
		if want := time.Duration(c.want) * time.Millisecond; c.want >= 0 && got != want || c.want < 0 && got < 50*time.Minute {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestFailoverOptionsOutOfBoundsAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"--kind", "flood"},
		{"--kind", ""},
		{"--times", "0"},
		{"--rate", "0"},
		{"--connections", "0"},
		{"more"},
	} {
		var errs bytes.Buffer
		exit := run(t.Context(), append([]string{"failover"}, args...), strings.NewReader(""), io.Discard, &errs)
		if exit != exitUsage || errs.Len() == 0 {
			t.Errorf("%q: exit status %d, said %q", args, exit, errs.String())
		}
	}
}

func TestQuantiles(t *testing.T) {
	numbers := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}
	for part, want := range map[float64]float64{0.5: 10, 0.95: 19, 1: 20} {
		if got := quantile(numbers, part); got != want {
			t.Errorf("quantile %v is %v, want %v", part, got, want)
		}
	}
	if quantile(nil, 0.5) != 0 {
		t.Error("a quantile of nothing")
	}
}
