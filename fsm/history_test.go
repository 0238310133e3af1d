package fsm_test

import (
	"math"
	"reflect"
	"testing"

	"headcount/fsm"
)

func TestHistoryKeepsTheCountsOfTheTick(t *testing.T) {
	s := newShard(t)
	s.write(noon, put("ann", "sports", noon+5*minute), put("ann", "RU", noon+minute), put("bob", "RU", noon+5*minute))
	s.wantCounts(noon+9*minute, nil) // a reader far ahead does not matter
	s.tick(noon+minute, noon+minute)
	s.tick(noon+5*minute, noon+5*minute)
	want := []fsm.HistoryPoint{
		{At: noon + minute, Titles: []string{"RU", "sports"}, Counts: []int64{1, 1}},
		{At: noon + 5*minute, Titles: []string{}, Counts: []int64{}},
	}
	if got := s.History(); !reflect.DeepEqual(got, want) {
		t.Errorf("history %v, want %v", got, want)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	s := newShard(t)
	limit := func(points uint64) {
		now := s.Stats().Settings
		now.Revision++
		now.HistoryPoints = points
		s.propose(settings(now))
	}
	ticks := int64(0)
	tick := func(n int) {
		for range n {
			ticks++
			s.tick(0, noon+ticks)
		}
	}
	wantLast := func(n int64) {
		t.Helper()
		got := s.History()
		if int64(len(got)) != n {
			t.Fatalf("%d points are kept, want %d", len(got), n)
		}
		for i, p := range got {
			if want := noon + ticks - n + int64(i) + 1; p.At != want {
				t.Errorf("point %d is of noon%+ds, want noon%+ds", i, p.At-noon, want-noon)
			}
		}
	}
	limit(3)
	tick(2)
	wantLast(2)
	tick(5)
	wantLast(3)
	kept := s.History()
	limit(1)
	wantLast(1)
	if len(kept) != 3 || kept[0].At == 0 {
		t.Error("what a reader was given was taken from it")
	}
	limit(0)
	wantLast(0)
	tick(1)
	wantLast(0)
	limit(math.MaxUint64)
	tick(50)
	wantLast(50)
}
