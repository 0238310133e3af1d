package node

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"headcount/fsm"
)

// Users of many shards, each in its own segments until its own day: every node adds
// up the same.
func TestEveryNodeLooksAhead(t *testing.T) {
	const days, users = 10, 60
	c := newTestCluster(t, 3, 3)
	c.startAll()
	at := Read{Linearizable: true}
	now := time.Now().Truncate(time.Second)
	for u := range users {
		id := fmt.Sprint("u", u)
		for title, in := range map[string]bool{"RU": true, "a,b": u%2 == 0, "c": u%3 == 0} {
			if !in {
				continue
			}
			// Half an hour beside the full day, as a bucket may end a minute late.
			if _, _, err := c.nodes["n1"].Write(put(id, title, now.Add(time.Duration(u%days)*24*time.Hour+30*time.Minute))); err != nil {
				t.Fatal(err)
			}
		}
	}
	const day = 24 * 60 * 60
	for id, n := range c.nodes {
		points, err := n.Forecast(at, []byte("RU"), now.Unix()+days*day+60, day)
		if err != nil || len(points) != days+1 {
			t.Fatalf("%s: %v, %v", id, points, err)
		}
		for i, p := range points {
			if want := int64(users - users/days*i); p.UsersCount != want || p.At != points[0].At+int64(i)*day {
				t.Errorf("%s: point %d is %+v, want %d users", id, i, p, want)
			}
		}
		view, err := n.CountsAt(at, now.Unix()+(days-1)*day)
		if err != nil || string(view.Body) != `[{"title":"RU","usersCount":6},{"title":"c","usersCount":2}]` {
			t.Errorf("%s: %s, %v", id, view.Body, err)
		}
		overlap, err := n.Overlap(t.Context(), at, []string{"c", "a,b"})
		want := Overlap{[]SegmentCount{{"c", 20}, {"a,b", 30}}, 10, 40}
		if err != nil || !reflect.DeepEqual(overlap, want) {
			t.Errorf("%s: %+v, %v, want %+v", id, overlap, err, want)
		}
		if points, err := n.Forecast(at, []byte("nobody"), 0, 1); err != nil || len(points) != 1 || points[0].UsersCount != 0 {
			t.Errorf("%s: until before now: %v, %v", id, points, err)
		}
	}
	var invalid *Invalid
	never := Read{Min: []ShardIndex{{Shard: 99}}}
	n := c.nodes["n2"]
	_, countsErr := n.CountsAt(never, 0)
	_, forecastErr := n.Forecast(never, []byte("RU"), 0, 1)
	_, overlapErr := n.Overlap(t.Context(), never, []string{"RU", "c"})
	_, historyErr := n.History(never, []byte("RU"), 0, 1)
	for _, err := range []error{countsErr, forecastErr, overlapErr, historyErr} {
		if !errors.As(err, &invalid) {
			t.Errorf("a version of another cluster: %v", err)
		}
	}
}

func TestOverlapsAreBounded(t *testing.T) {
	c := newTestCluster(t, 1, 2)
	c.startAll()
	n := c.nodes["n1"]
	titles := []string{"RU", "c"}
	wantBusy := func(ctx context.Context, words string) {
		t.Helper()
		var busy *Busy
		if _, err := n.Overlap(ctx, Read{}, titles); !errors.As(err, &busy) || !strings.Contains(busy.Reason, words) || busy.RetryAfter == 0 {
			t.Errorf("%v, want one that says %q", err, words)
		}
	}
	for range overlapsMax {
		n.overlaps.places <- struct{}{}
	}
	wantBusy(t.Context(), "counts 2 overlaps already")
	for range overlapsMax {
		<-n.overlaps.places
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	wantBusy(gone, "given up")
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	wantBusy(late, "fewer or smaller segments")
	if _, err := n.Overlap(t.Context(), Read{}, titles); err != nil {
		t.Errorf("a place was lost: %v", err)
	}
	var text strings.Builder
	n.WriteMetrics(&text)
	for _, line := range []string{
		`headcount_overlaps_in_progress 0`,
		`headcount_overlaps_total{outcome="done"} 1`,
		`headcount_overlaps_total{outcome="full"} 1`,
		`headcount_overlaps_total{outcome="timeout"} 1`,
		`headcount_overlaps_total{outcome="given-up"} 1`,
	} {
		if !strings.Contains(text.String(), line+"\n") {
			t.Errorf("the metrics lack %s:\n%s", line, &text)
		}
	}
	if outcome, err := judgeOverlap(fmt.Errorf("shard 1: %w", fsm.ErrOverlapBusy)); outcome != overlapDisturbed || !strings.Contains(err.Error(), "ask again") {
		t.Errorf("%v, %v", outcome, err)
	}
}

func TestHistoryLeavesOutTicksThatNotAllShardsHave(t *testing.T) {
	for _, c := range []struct {
		shards [][]Point
		want   []Point
	}{
		{[][]Point{{{1, 5}, {2, 0}}}, []Point{{1, 5}, {2, 0}}},
		{[][]Point{{{1, 5}, {2, 6}}, {{1, 10}, {2, 0}}}, []Point{{1, 15}, {2, 6}}},
		{[][]Point{{{1, 5}, {2, 6}, {3, 7}}, {{1, 10}, {2, 20}}}, []Point{{1, 15}, {2, 26}}},  // has not ticked yet
		{[][]Point{{{2, 6}, {3, 7}}, {{1, 10}, {2, 20}, {3, 30}}}, []Point{{2, 26}, {3, 37}}}, // keeps fewer
		{[][]Point{{{1, 1}, {3, 3}}, {{1, 10}, {2, 20}, {3, 30}}, {{2, 200}, {3, 300}}}, []Point{{3, 333}}},
		{[][]Point{{{1, 1}}, {}, {{1, 1}}}, nil},
		{[][]Point{{}, {{1, 1}}}, nil},
	} {
		var shards [][]fsm.HistoryCount
		for _, points := range c.shards {
			var counts []fsm.HistoryCount
			for _, p := range points {
				counts = append(counts, fsm.HistoryCount{At: p.At, Count: p.UsersCount})
			}
			shards = append(shards, counts)
		}
		if got := sumHistory(shards); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.shards, got, c.want)
		}
	}
}
