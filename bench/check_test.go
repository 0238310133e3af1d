package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"headcount/bench/local"
	"headcount/client"
	"headcount/pglocal"
)

// A real cluster with a real PostgreSQL, whose leader is killed meanwhile.
func TestCheckFindsEverythingAcknowledged(t *testing.T) {
	database, err := pglocal.Start(t.Context(), pglocal.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer database.Stop()
	cluster, err := local.Start(t.Context(), local.Options{Dir: t.TempDir(), Port: 18180, Postgres: database.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	}()
	leader, err := cluster.AwaitSteady(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	killed := time.AfterFunc(time.Second, func() {
		if err := cluster.Signal(leader, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	})
	defer killed.Stop()
	for _, bulk := range []string{"0", "100"} {
		file := filepath.Join(t.TempDir(), "check.json")
		var out, errs bytes.Buffer
		exit := run(t.Context(), []string{
			"check", "--url", strings.Join(cluster.URLs(), ","), "--dsn", database.URL(), "--duration", "5s", "--connections", "8",
			"--rate", "500", "--users", "5000", "--segments", "20", "--lookups", "200", "--bulk", bulk, "--json", file,
		}, nil, &out, &errs)
		if exit != exitGood {
			t.Fatalf("bulk %s: exit status %d:\n%s%s", bulk, exit, out.String(), errs.String())
		}
		document, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var report checkReport
		if err := json.Unmarshal(document, &report); err != nil {
			t.Fatal(err)
		}
		if len(report.Verdicts) != local.Nodes+2 || report.Load.Acknowledged < 500 {
			t.Errorf("bulk %s: %s", bulk, document)
		}
		for _, v := range report.Verdicts {
			if v.Compared == 0 {
				t.Errorf("bulk %s: nothing was compared: %+v", bulk, v)
			}
		}
	}
}

// A cluster that acknowledges and forgets.
func TestCheckFindsWhatIsMissing(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			fmt.Fprint(w, `{"status":"created"}`)
		case r.URL.Path == "/cluster":
			fmt.Fprint(w, `{"cluster":{"bucketWidthSeconds":60}}`)
		case strings.HasPrefix(r.URL.Path, "/users/"):
			fmt.Fprint(w, `{"ID":"u","segments":[]}`)
		default:
			fmt.Fprint(w, `[]`)
		}
	})
	var out, errs bytes.Buffer
	exit := run(t.Context(), []string{
		"check", "--url", server.URL, "--duration", "200ms", "--connections", "2", "--users", "10", "--segments", "3", "--lookups", "10",
	}, nil, &out, &errs)
	if exit != exitFailed || !strings.Contains(out.String(), "and must have") || !strings.Contains(out.String(), "and must be until") {
		t.Errorf("exit status %d:\n%s%s", exit, out.String(), errs.String())
	}
}

func TestCheckRefusesOptions(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"--url", "http://127.0.0.1:1", "--duration", "2h"},
		{"--url", "http://127.0.0.1:1", "--lookups", "-1"},
		{"--url", "http://127.0.0.1:1", "--patience", "-1s"},
		{"--url", "http://127.0.0.1:1", "--users", "0"},
		{"--url", "http://127.0.0.1:1", "more"},
	} {
		var errs bytes.Buffer
		if exit := run(t.Context(), append([]string{"check"}, args...), nil, &errs, &errs); exit != exitUsage || errs.Len() == 0 {
			t.Errorf("%q: exit status %d, %s", args, exit, errs.String())
		}
	}
}

// Each reply has its outcome, and a scribe moves on from a node that fails.
func TestOutcomes(t *testing.T) {
	var requests atomic.Int64
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		status := []int{201, 503, 504, 500, 200}[requests.Add(1)-1]
		if status >= 500 {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		w.WriteHeader(status)
		fmt.Fprint(w, `{}`)
	})
	gone := serve(t, nil)
	gone.Close()
	var addresses []string
	for _, url := range []string{server.URL, gone.URL} {
		address, err := addressOf(url)
		if err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, address)
	}
	o := options{segments: 3, users: 10}
	p := newPace(0, time.Minute)
	s := &scribe{addresses: addresses, payload: newPayload("h", o), tally: newTally(false)}
	var got []outcome
	for range 5 {
		s.connect(p)
		outcome, _ := s.attempt(time.Now())
		got = append(got, outcome)
	}
	s.turn++
	s.connect(p)
	last, pause := s.attempt(time.Now())
	got = append(got, last)
	want := []outcome{acknowledged, notApplied, unknown, unknown, acknowledged, notApplied}
	if fmt.Sprint(got) != fmt.Sprint(want) || pause == 0 {
		t.Errorf("%v, want %v; pause %v", got, want, pause)
	}
}

// The ledgers add up to what a plain map has.
func TestSettleIsAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	segments, at := newZipf(7), time.Unix(1_800_000_000, 0)
	type key struct{ user, segment uint32 }
	for round := range 50 {
		want := map[key]owed{}
		var ledgers []ledger
		for i := range 1 + random.IntN(4) {
			l := ledger{draw: newDraw(uint64(round), uint64(i), segments, 20), at: at, records: 1 + random.IntN(3)}
			d := l.draw.clone()
			for range random.IntN(60) {
				outcome := outcome(random.IntN(3))
				l.outcomes = append(l.outcomes, outcome)
				for range l.records {
					k := key{uint32(d.user()), uint32(d.segment())}
					expiry := uint32(d.expiry(at))
					if outcome == notApplied {
						continue
					}
					o := want[k]
					o.user, o.segment, o.possible = k.user, k.segment, max(o.possible, expiry)
					if outcome == acknowledged {
						o.acknowledged = max(o.acknowledged, expiry)
					}
					want[k] = o
				}
			}
			ledgers = append(ledgers, l)
		}
		all := settle(ledgers)
		if len(all) != len(want) {
			t.Fatalf("%d memberships, want %d", len(all), len(want))
		}
		for i, o := range all {
			if o != want[key{o.user, o.segment}] {
				t.Fatalf("%+v, want %+v", o, want[key{o.user, o.segment}])
			}
			if i > 0 && compareOwed(all[i-1], o) >= 0 {
				t.Fatalf("%+v before %+v", all[i-1], o)
			}
		}
	}
}

// What is right is found right, and every kind of wrong is found.
func TestAuditorFindsEveryDifference(t *testing.T) {
	a, err := newAuditor(checkOptions{load: options{prefix: "p-", users: 10, segments: 3}}, []owed{
		{user: 1, segment: 0, acknowledged: 600, possible: 600},
		{user: 1, segment: 2, acknowledged: 0, possible: 900},
		{user: 2, segment: 0, acknowledged: 601, possible: 1200},
	})
	if err != nil {
		t.Fatal(err)
	}
	type held = map[string]int64
	for _, test := range []struct {
		user  uint32
		held  held
		wrong int
	}{
		{1, held{"p-s000": 600}, 0},
		{1, held{"p-s000": 600, "p-s002": 900}, 0},
		{1, held{}, 1},
		{1, held{"p-s000": 540}, 1},
		{1, held{"p-s000": 660}, 1},
		{1, held{"p-s000": 600, "p-s002": 960}, 1},
		{1, held{"p-s000": 600, "p-s001": 900}, 1},
		{2, held{"p-s000": 660}, 0},
		{2, held{"p-s000": 1200}, 0},
		{2, held{"p-s000": 600}, 1},
		{3, held{}, 0},
		{3, held{"p-s000": 600}, 1},
	} {
		got := client.User{ID: "u"}
		for title, expiry := range test.held {
			got.Segments = append(got.Segments, client.UserSegment{Title: title, Expiry: client.UnixSeconds(expiry)})
		}
		var v verdict
		a.compareUser(&v, test.user, got, 60)
		if v.Wrong != test.wrong {
			t.Errorf("user %d with %v: %d wrong, want %d: %q", test.user, test.held, v.Wrong, test.wrong, v.Examples)
		}
	}
	want := countBounds(a.all, 3)
	for _, test := range []struct {
		counts []client.SegmentCount
		wrong  int
	}{
		{[]client.SegmentCount{{Title: "p-s000", UsersCount: 2}, {Title: "other", UsersCount: 5}}, 0},
		{[]client.SegmentCount{{Title: "p-s000", UsersCount: 2}, {Title: "p-s002", UsersCount: 1}}, 0},
		{[]client.SegmentCount{{Title: "p-s000", UsersCount: 1}}, 1},
		{[]client.SegmentCount{{Title: "p-s000", UsersCount: 3}, {Title: "p-s002", UsersCount: 2}}, 2},
		{[]client.SegmentCount{{Title: "p-s000", UsersCount: 2}, {Title: "p-s009", UsersCount: 1}}, 1},
	} {
		if v := a.compareCounts("counts", test.counts, want); v.Wrong != test.wrong {
			t.Errorf("%v: %d wrong, want %d: %q", test.counts, v.Wrong, test.wrong, v.Examples)
		}
	}
}
