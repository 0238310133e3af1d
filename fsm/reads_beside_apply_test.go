package fsm_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"headcount/fsm"
)

// What an index must show, whoever reads it: the model's answers at that index.
type answers struct {
	overlap  fsm.Overlap
	forecast []int64
	countsAt map[string]int64
}

// readersAhead read a machine beside the goroutine that applies, always at noon.
type readersAhead struct {
	*fsm.Machine
	t        *testing.T
	titles   []string
	instants []int64
	done     atomic.Bool

	mu struct {
		sync.Mutex
		at map[uint64]answers // by index, from before it is applied
	}
	overlaps, busy, forecasts, counts, histories atomic.Int64
}

// One goroutine applies and takes snapshots that another persists; others read ahead
// all the time, and each answer must be the model's at the index that it names. Run
// with -race.
func TestReadsAheadAreExactBesideApply(t *testing.T) {
	entries := 3_000
	if raceDetector {
		entries = 1_000
	}
	s, m := newShard(t), newModel(shardConfig)
	m.apply(s.index, shardSettings)
	r := &readersAhead{
		Machine: s.Machine, t: t, titles: []string{"segment-1", "segment-2", "segment-3"},
		instants: []int64{0, noon, noon + 1, noon + 5*minute, noon + 5*minute, noon + 15*minute, noon + day},
	}
	r.mu.at = map[uint64]answers{}
	r.expect(m)

	var reading, persisting sync.WaitGroup
	for range 2 {
		for _, read := range []func() error{r.readOverlap, r.readForecast, r.readCountsAt, r.readHistory} {
			reading.Go(func() {
				for !r.done.Load() {
					if err := read(); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	taken := make(chan takenSnapshot) // one at a time: the writer waits for room
	persisting.Go(func() { (&bystanders{Machine: s.Machine, t: t}).persistAll(taken) })

	draw := rand.New(rand.NewPCG(2, 0))
	for i := range entries {
		e := r.nextEntry(draw, s, i)
		s.index++
		m.apply(s.index, e)
		r.expect(m)
		s.apply(s.index, e.encode())
		if i%50 == 0 {
			taken <- takenSnapshot{takeSnapshot(t, s.Machine), s.Stats()}
		}
	}
	close(taken)
	persisting.Wait()
	r.done.Store(true)
	reading.Wait()
	for what, n := range map[string]int64{
		"overlaps": r.overlaps.Load(), "forecasts": r.forecasts.Load(), "counts": r.counts.Load(), "histories": r.histories.Load(),
	} {
		if n == 0 {
			t.Errorf("no %s were read (%d overlaps were busy)", what, r.busy.Load())
		}
	}
}

// expect notes what the index that the model has reached must show.
func (r *readersAhead) expect(m *model) {
	a := answers{overlap: m.overlap(noon, r.titles), countsAt: m.counts(noon + 5*minute)}
	for _, at := range r.instants {
		a.forecast = append(a.forecast, m.counts(max(noon, at))[r.titles[0]])
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.at[m.index] = a
}

func (r *readersAhead) expected(index uint64) answers {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.at[index]
}

func (r *readersAhead) nextEntry(draw *rand.Rand, s *shard, i int) entry {
	if i%20 == 0 {
		return tick{noon, noon - day + int64(i) + 1} // drains nothing, keeps the counts
	}
	var records []fsm.Record
	for range 10 {
		id, segment := numbered("user", draw.IntN(40)), numbered("segment", 1+draw.IntN(4))
		switch draw.IntN(12) {
		case 0:
			records = append(records, erase(id))
		case 1, 2, 3:
			records = append(records, remove(id, segment))
		default:
			records = append(records, put(id, segment, noon+1+int64(draw.IntN(20*minute))))
		}
	}
	s.sequence++
	return batches{noon, []batch{{"node-1", 1, s.sequence, records}}}
}

func (r *readersAhead) readOverlap() error {
	before := r.Index()
	got, err := r.Overlap(r.t.Context(), noon, r.titles)
	if errors.Is(err, fsm.ErrOverlapBusy) {
		r.busy.Add(1)
		return nil
	}
	if want := r.expected(got.Index).overlap; err != nil || got.Index < before || fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("overlap after index %d: %+v, %v, want %+v", before, got, err, want)
	}
	r.overlaps.Add(1)
	return nil
}

func (r *readersAhead) readForecast() error {
	before := r.Index()
	got := make([]int64, len(r.instants))
	index := r.Forecast(noon, []byte(r.titles[0]), r.instants, got)
	if want := r.expected(index).forecast; index < before || !slices.Equal(got, want) {
		return fmt.Errorf("forecast after index %d: %v at index %d, want %v", before, got, index, want)
	}
	r.forecasts.Add(1)
	return nil
}

func (r *readersAhead) readCountsAt() error {
	before := r.Index()
	got := map[string]int64{}
	index := r.CountsAt(noon, noon+5*minute, func(title string, count int64) { got[title] = count })
	if want := r.expected(index).countsAt; index < before || !maps.Equal(got, want) {
		return fmt.Errorf("counts ahead after index %d: %v at index %d, want %v", before, got, index, want)
	}
	r.counts.Add(1)
	return nil
}

// readHistory sees each tick once and in order. Two segments may be read at different
// ticks, but what a tick kept never changes.
func (r *readersAhead) readHistory() error {
	first := r.SegmentHistory([]byte(r.titles[0]), 0, noon)
	for i, c := range first {
		if i > 0 && c.At <= first[i-1].At || c.Count < 0 || c.Count > 40 {
			return fmt.Errorf("history out of order or out of bounds: %v", first)
		}
	}
	if n := len(first); n > 0 {
		again := r.SegmentHistory([]byte(r.titles[0]), first[n-1].At, first[n-1].At)
		if len(again) > 1 || len(again) == 1 && again[0] != first[n-1] {
			return fmt.Errorf("the tick kept %v, and then %v", first[n-1], again)
		}
		r.histories.Add(1)
	}
	return nil
}

func TestOverlapEndsWithItsContext(t *testing.T) {
	s := newShard(t)
	s.write(noon, put("ann", "RU", noon+minute), put("ann", "news", noon+minute))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := s.Overlap(ctx, noon, []string{"RU", "news"}); !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", got, err)
	}
	// What it held is let go of.
	s.write(noon, erase("ann"))
	if got, err := s.Overlap(t.Context(), noon, []string{"RU", "news"}); err != nil || got.Union != 0 || got.Index != s.index {
		t.Errorf("%+v, %v", got, err)
	}
}
