package fsm_test

import (
	"io"
	"math"
	"testing"

	"github.com/hashicorp/raft"

	"headcount/fsm"
)

const benchBatchRecords = 1_000

// benchEntries are batches of 1,000 puts in 300 segments, for users from first on.
func benchEntries(count, first int, sequence uint64, expiry int64) (entries [][]byte) {
	for i := range count {
		b := batch{origin: "node-1", epoch: 1, sequence: sequence + uint64(i)}
		for j := range benchBatchRecords {
			user := first + i*benchBatchRecords + j
			b.records = append(b.records, put(numbered("user", user), numbered("segment", user%300), expiry+int64(user%(14*day))))
		}
		entries = append(entries, batches{noon, []batch{b}}.encode())
	}
	return entries
}

func newBenchShard(b *testing.B) *shard {
	s := newShard(b)
	s.propose(settings{Revision: 2, SegmentsMax: 1_000, OutboxBytesMax: math.MaxUint64, HistoryPoints: 30})
	return s
}

func (s *shard) applyAll(entries [][]byte) {
	for _, data := range entries {
		s.index++
		s.apply(s.index, data)
	}
	s.propose(ack(s.index)) // PostgreSQL keeps up
}

func reportRate(b *testing.B, perOp int) {
	b.ReportMetric(float64(b.N)*float64(perOp)/b.Elapsed().Seconds(), "memberships/s")
}

func BenchmarkApplyCreate(b *testing.B) {
	entries := benchEntries(200, 0, 1, noon+day)
	s, next := newBenchShard(b), 0
	b.ReportAllocs()
	for b.Loop() {
		if next == len(entries) {
			b.StopTimer()
			s, next = newBenchShard(b), 0
			b.StartTimer()
		}
		s.index++
		s.apply(s.index, entries[next])
		next++
	}
	reportRate(b, benchBatchRecords)
}

func BenchmarkApplyRenew(b *testing.B) {
	const entries = 100
	s := newBenchShard(b)
	s.applyAll(benchEntries(entries, 0, 1, noon+day))
	// Every round ends an hour later than the one before it.
	round, renewals, next := 0, [][]byte(nil), 0
	b.ReportAllocs()
	for b.Loop() {
		if next == len(renewals) {
			b.StopTimer()
			round++
			renewals, next = benchEntries(entries, 0, 1+uint64(round)*entries, noon+day+int64(round)*60*minute), 0
			s.propose(ack(s.index))
			b.StartTimer()
		}
		s.index++
		s.apply(s.index, renewals[next])
		next++
	}
	reportRate(b, benchBatchRecords)
}

func BenchmarkCounts300Segments(b *testing.B) {
	s := newBenchShard(b)
	s.applyAll(benchEntries(30, 0, 1, noon+day))
	var total int64
	b.ReportAllocs()
	for b.Loop() {
		total = 0
		s.Counts(noon, func(_ string, count int64) { total += count })
	}
	if total != 30*benchBatchRecords {
		b.Fatalf("%d users counted", total)
	}
}

// Erasing a user who is nowhere, among 10,000 segments of 100 users.
func BenchmarkErase(b *testing.B) {
	const segments, users = 10_000, 100
	s := newShard(b)
	s.propose(settings{Revision: 2, SegmentsMax: segments, HistoryPoints: 30})
	for user := range users {
		var records []fsm.Record
		for segment := range segments {
			records = append(records, put(numbered("user", user*segments+segment), numbered("segment", segment), noon+day))
		}
		s.write(noon, records...)
	}
	for b.Loop() {
		s.write(noon, erase("stranger"))
	}
}

// discard is a sink that keeps nothing.
type discard struct{ io.Writer }

func (discard) ID() string    { return "discard" }
func (discard) Close() error  { return nil }
func (discard) Cancel() error { return nil }

var _ raft.SnapshotSink = discard{}

func BenchmarkSnapshotPersist(b *testing.B) {
	const entries = 100
	s := newBenchShard(b)
	s.applyAll(benchEntries(entries, 0, 1, noon+day))
	b.ReportAllocs()
	for b.Loop() {
		snap, err := s.Snapshot()
		if err != nil {
			b.Fatal(err)
		}
		if err := snap.Persist(discard{io.Discard}); err != nil {
			b.Fatal(err)
		}
		snap.Release()
	}
	reportRate(b, entries*benchBatchRecords)
}

func BenchmarkRestore(b *testing.B) {
	const entries = 100
	s := newBenchShard(b)
	s.applyAll(benchEntries(entries, 0, 1, noon+day))
	data := snapshotOf(b, s.Machine)
	b.ReportAllocs()
	for b.Loop() {
		if err := restore(fsm.New(shardConfig), data); err != nil {
			b.Fatal(err)
		}
	}
	reportRate(b, entries*benchBatchRecords)
}
