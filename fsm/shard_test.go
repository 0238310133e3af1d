package fsm_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"headcount/fsm"
)

// Instants of the directed tests, in Unix seconds. Noon is the end of a bucket.
const (
	minute = 60
	day    = 24 * 60 * minute
	noon   = 20_000*day + day/2
)

var shardConfig = fsm.Config{
	Shard:         7,
	Incarnation:   [16]byte{0: 0xc1, 15: 0x05},
	HashKey:       [16]byte{0: 0x5e, 15: 0xed},
	BucketSeconds: minute,
	Born:          noon - day,
	BlockBytes:    1, // so that every entry of the outbox is one by itself
}

var shardSettings = settings{Revision: 1, SegmentsMax: 100, OutboxBytesMax: 1 << 20, HistoryPoints: 10}

// shard is a machine that directed tests write to as one origin, node-1.
type shard struct {
	*replica
	t        testing.TB
	index    uint64
	sequence uint64
}

func newShard(t testing.TB) *shard {
	s := &shard{t: t, replica: newReplica(shardConfig)}
	s.propose(shardSettings)
	return s
}

// propose applies an entry at the next index.
func (s *shard) propose(e entry) any {
	s.index++
	return s.apply(s.index, e.encode())
}

// send applies an entry of one batch.
func (s *shard) send(now int64, b batch) fsm.BatchResult {
	s.t.Helper()
	result := s.propose(batches{now, []batch{b}}).(fsm.Result)
	if result.Index != s.index || len(result.Batches) != 1 {
		s.t.Fatalf("entry %d of one batch returned %+v", s.index, result)
	}
	return result.Batches[0]
}

// write applies records as the next batch of node-1, which must be accepted.
func (s *shard) write(now int64, records ...fsm.Record) []fsm.Status {
	s.t.Helper()
	s.sequence++
	r := s.send(now, batch{"node-1", 1, s.sequence, records})
	if r.Verdict != fsm.Applied || len(r.Statuses) != len(records) {
		s.t.Fatalf("a new batch of %d records returned %+v", len(records), r)
	}
	return r.Statuses
}

func (s *shard) tick(now, scheduled int64) { s.propose(tick{now, scheduled}) }

// counts returns the counts at now.
func (s *shard) counts(now int64) map[string]int64 {
	counts := map[string]int64{}
	s.Counts(now, func(title string, count int64) { counts[title] = count })
	return counts
}

func (s *shard) wantCounts(now int64, want map[string]int64) {
	s.t.Helper()
	if got := s.counts(now); !maps.Equal(got, want) {
		s.t.Errorf("counts at noon%+ds: %v, want %v", now-noon, got, want)
	}
	for title, n := range want {
		if got, index := s.Count(now, []byte(title)); got != n || index != s.index {
			s.t.Errorf("count of %s at noon%+ds: %d at index %d, want %d at %d", title, now-noon, got, index, n, s.index)
		}
	}
}

func (s *shard) wantUser(now int64, id string, want ...fsm.Membership) {
	s.t.Helper()
	if got := s.User(now, []byte(id)); !slices.Equal(got, want) {
		s.t.Errorf("%s at noon%+ds: %v, want %v", id, now-noon, got, want)
	}
}

func (s *shard) wantStatuses(got []fsm.Status, want ...fsm.Status) {
	s.t.Helper()
	if !slices.Equal(got, want) {
		s.t.Errorf("statuses %v, want %v", got, want)
	}
}

// news returns the records that the outbox holds for one entry.
func (s *shard) news(index uint64) []request {
	for _, n := range outboxOf(s.Machine, index-1, 1) {
		if n.index == index {
			return n.records
		}
	}
	return nil
}

func numbered(what string, n int) string { return fmt.Sprintf("%s-%d", what, n) }
