package fsm_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"headcount/fsm"
)

func TestForecastFallsWhereBucketsEnd(t *testing.T) {
	s := newShard(t)
	s.write(noon, put("ann", "RU", noon+1), put("bob", "RU", noon+minute), put("cid", "RU", noon+minute+1), put("dot", "RU", noon+14*day))
	instants := []int64{0, noon, noon + minute - 1, noon + minute, noon + 2*minute - 1, noon + 2*minute, noon + 14*day - 1, noon + 14*day, math.MaxInt64}
	counts := []int64{100, 0, 0, 0, 0, 0, 0, 0, 7}
	index := s.Forecast(noon, []byte("RU"), instants, counts)
	if want := []int64{104, 4, 4, 2, 2, 1, 1, 0, 7}; !slices.Equal(counts, want) || index != s.index {
		t.Errorf("%v at index %d, want %v at %d", counts, index, want, s.index)
	}
	// A later now leaves out those who have expired by then.
	counts = make([]int64, 3)
	s.Forecast(noon+minute, []byte("RU"), []int64{noon, noon + minute, noon + 2*minute}, counts)
	if want := []int64{2, 2, 1}; !slices.Equal(counts, want) {
		t.Errorf("a minute later: %v, want %v", counts, want)
	}
	counts = []int64{5}
	if index := s.Forecast(noon, []byte("nobody"), []int64{noon}, counts); counts[0] != 5 || index != s.index {
		t.Errorf("a segment that does not exist: %v at index %d", counts, index)
	}
	if index := s.Forecast(noon, []byte("RU"), nil, nil); index != s.index {
		t.Errorf("of no instants: index %d", index)
	}
}

func TestCountsAtLeaveOutWhoWillBeGone(t *testing.T) {
	s := newShard(t)
	s.write(noon, put("ann", "RU", noon+minute), put("bob", "RU", noon+2*minute), put("ann", "news", noon+minute))
	for at, want := range map[int64]map[string]int64{
		0:                 {"RU": 2, "news": 1},
		noon + minute - 1: {"RU": 2, "news": 1},
		noon + minute:     {"RU": 1},
		noon + 2*minute:   {},
		math.MaxInt64:     {},
	} {
		got := map[string]int64{}
		index := s.CountsAt(noon, at, func(title string, count int64) { got[title] = count })
		if !maps.Equal(got, want) || index != s.index {
			t.Errorf("at noon%+ds: %v at index %d, want %v", at-noon, got, index, want)
		}
	}
	s.wantCounts(noon, map[string]int64{"RU": 2, "news": 1}) // looking ahead changes nothing
}

func TestOverlapOfManySegments(t *testing.T) {
	s := newShard(t)
	var titles []string
	for i := range fsm.OverlapTitlesMax {
		titles = append(titles, numbered("segment", i))
		s.write(noon, put("all", titles[i], noon+minute), put(numbered("user", i), titles[i], noon+minute), put("short", titles[i], noon+int64(i)*minute))
	}
	got, err := s.Overlap(t.Context(), noon, titles)
	// short has expired in the first, and so is in all but one.
	want := fsm.Overlap{Index: s.index, Segments: []int64{2, 3, 3, 3, 3, 3, 3, 3}, Intersection: 1, Union: 10}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	got, err = s.Overlap(t.Context(), noon, []string{"nobody", titles[1]})
	if want := (fsm.Overlap{Index: s.index, Segments: []int64{0, 3}, Union: 3}); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("with an empty one: %+v, %v, want %+v", got, err, want)
	}
}

func TestSegmentHistoryHasEveryTickKept(t *testing.T) {
	s := newShard(t)
	s.write(noon, put("ann", "RU", noon+2*minute), put("bob", "news", noon+day))
	for i := range int64(4) {
		s.tick(noon, noon+i*minute)
	}
	for _, c := range []struct {
		title    string
		from, to int64
		want     []fsm.HistoryCount
	}{
		{"RU", 0, math.MaxInt64, []fsm.HistoryCount{{noon, 1}, {noon + minute, 1}, {noon + 2*minute, 0}, {noon + 3*minute, 0}}},
		{"news", noon + minute, noon + 2*minute, []fsm.HistoryCount{{noon + minute, 1}, {noon + 2*minute, 1}}},
		{"nobody", noon, noon, []fsm.HistoryCount{{noon, 0}}},
		{"RU", noon + 1, noon + minute - 1, nil},
		{"RU", noon + minute, noon, nil},
	} {
		if got := s.SegmentHistory([]byte(c.title), c.from, c.to); !slices.Equal(got, c.want) {
			t.Errorf("%s from noon%+ds to noon%+ds: %v, want %v", c.title, c.from-noon, c.to-noon, got, c.want)
		}
	}
}
