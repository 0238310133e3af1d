package fsm_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/raft"

	"headcount/fsm"
)

// One goroutine applies and takes snapshots, as Raft does; others read everything
// all the time and persist every snapshot while Apply goes on. Run with -race.
func TestReadersAndPersistBesideApply(t *testing.T) {
	const (
		entries       = 1_500
		snapshotEvery = 40
		readers       = 2 // of each kind
	)
	s := newShard(t)
	s.UseSpool(fsm.Spool{Dir: t.TempDir(), MemoryBytes: 1 << 10, FloodBytes: 1 << 20})
	s.propose(settings{Revision: 2, SegmentsMax: 20, OutboxBytesMax: 1 << 14, HistoryPoints: 3, OutboxWindowBytesMax: 1 << 12})
	b := &bystanders{Machine: s.Machine, t: t, end: make(chan struct{})}
	b.clock.Store(noon)

	var reading, persisting sync.WaitGroup
	for range readers {
		for _, read := range []func() error{b.readCounts, b.readUser, b.readStats, b.readOutbox, b.waitForNext} {
			reading.Go(func() { b.repeat(read) })
		}
	}
	reading.Go(func() { b.spoolAll() })
	// One at a time, as Raft does: the writer waits for room.
	taken := make(chan takenSnapshot)
	persisting.Go(func() { b.persistAll(taken) })

	r := rand.New(rand.NewPCG(1, 0))
	for i := range entries {
		now := noon + int64(i)*5
		b.clock.Store(now)
		s.propose(b.nextEntry(r, now, s))
		if i%snapshotEvery == 0 {
			snap := takeSnapshot(t, s.Machine)
			taken <- takenSnapshot{snap, s.Stats()}
		}
	}
	close(taken)
	persisting.Wait()
	b.done.Store(true)
	s.propose(ack(0)) // wakes those who wait for the next entry
	close(b.end)
	reading.Wait()
	if b.snapshots.Load() != (entries+snapshotEvery-1)/snapshotEvery {
		t.Errorf("%d snapshots were checked", b.snapshots.Load())
	}
	if b.spools.Load() == 0 {
		t.Error("nothing was spooled")
	}
	for i := range b.reads {
		if b.reads[i].Load() == 0 {
			t.Errorf("reader %d never read", i)
		}
	}
}

type takenSnapshot struct {
	raft.FSMSnapshot
	stats fsm.Stats
}

// bystanders use a machine beside the goroutine that applies.
type bystanders struct {
	*fsm.Machine
	t         *testing.T
	clock     atomic.Int64
	done      atomic.Bool
	end       chan struct{} // closed when it is done
	spools    atomic.Int64
	snapshots atomic.Int64
	reads     [5]atomic.Int64 // counts, users, stats, outbox, waits
}

func (b *bystanders) repeat(read func() error) {
	for !b.done.Load() {
		if err := read(); err != nil {
			b.t.Error(err)
			return
		}
	}
}

// spoolAll spools what it is told to.
func (b *bystanders) spoolAll() {
	for {
		select {
		case <-b.OutboxCrowded():
			if err := b.SpoolOutbox(); err != nil {
				b.t.Error(err)
			}
			b.spools.Add(1)
		case <-b.end:
			return
		}
	}
}

func (b *bystanders) nextEntry(r *rand.Rand, now int64, s *shard) entry {
	switch r.IntN(10) {
	case 0:
		return tick{now, now}
	case 1:
		return ack(s.index)
	}
	var records []fsm.Record
	for range 20 {
		id, segment := numbered("user", r.IntN(200)), numbered("segment", r.IntN(10))
		switch r.IntN(20) {
		case 0:
			records = append(records, erase(id))
		case 1, 2:
			records = append(records, remove(id, segment))
		default:
			records = append(records, put(id, segment, now+int64(r.IntN(20*minute))))
		}
	}
	s.sequence++
	return batches{now, []batch{{"node-1", 1, s.sequence, records}}}
}

func (b *bystanders) readCounts() error {
	before := b.Index()
	changes := b.Changes()
	var total int64
	index := b.Counts(b.clock.Load(), func(_ string, count int64) { total += count })
	if index < before || total < 0 || b.Changes() < changes {
		return fmt.Errorf("counts of index %d read after index %d: %d in all", index, before, total)
	}
	count, index := b.Count(b.clock.Load(), []byte("segment-1"))
	if index < before || count < 0 || count > 200 {
		return fmt.Errorf("count %d of index %d read after index %d", count, index, before)
	}
	b.reads[0].Add(1)
	return nil
}

func (b *bystanders) readUser() error {
	now := b.clock.Load()
	for _, held := range b.User(now, []byte("user-1")) {
		if held.Expiry <= now {
			return fmt.Errorf("%+v is shown at %d", held, now)
		}
	}
	b.reads[1].Add(1)
	return nil
}

func (b *bystanders) readStats() error {
	st := b.Stats()
	if st.Watermark > st.Time || st.OutboxAcked > st.Index || (st.OutboxRows == 0) != (st.OutboxSince == 0) {
		return fmt.Errorf("inconsistent stats %+v", st)
	}
	if h := b.History(); !slices.IsSortedFunc(h, func(a, b fsm.HistoryPoint) int { return int(a.At - b.At) }) {
		return fmt.Errorf("history out of order: %v", h)
	}
	b.OutboxIsFull()
	b.reads[2].Add(1)
	return nil
}

func (b *bystanders) readOutbox() error {
	index := b.OutboxAcked()
	for {
		page, ok := b.OutboxNext(index, 100)
		if !ok {
			b.reads[3].Add(1)
			return nil
		}
		rows := 0
		for _, data := range page.Records {
			rows += len(decodeRecords(data))
		}
		if page.Index <= index || rows != page.Rows {
			return fmt.Errorf("above %d the outbox gave %d rows of %d up to %d", index, rows, page.Rows, page.Index)
		}
		index = page.Index
	}
}

func (b *bystanders) waitForNext() error {
	ctx, cancel := context.WithTimeout(b.t.Context(), soon)
	defer cancel()
	changed, next := b.Changed(), b.Index()+1
	if b.done.Load() {
		return nil // the last entry may have been applied already
	}
	<-changed
	if err := b.WaitIndex(ctx, next); err != nil {
		return fmt.Errorf("waiting for index %d: %w", next, err)
	}
	if got := b.Index(); got < next {
		return fmt.Errorf("the wait for index %d ended at %d", next, got)
	}
	b.reads[4].Add(1)
	return nil
}

func (b *bystanders) persistAll(taken <-chan takenSnapshot) {
	for s := range taken {
		joined := fsm.New(shardConfig)
		to := newSink()
		err := s.Persist(to)
		s.Release()
		if err == nil {
			err = restore(joined, to.Bytes())
		}
		got := joined.Stats()
		got.OutboxMemoryBytes = s.stats.OutboxMemoryBytes // the one spools, the other does not
		if err != nil || got != s.stats {
			b.t.Errorf("a snapshot persisted beside Apply: %v\ngot  %+v\nwant %+v", err, got, s.stats)
		}
		b.snapshots.Add(1)
	}
}

// Each read is of its own instant, even if another comes with one that is so far off
// that the clock must have been set.
func TestReadersOfDistantInstants(t *testing.T) {
	s := newShard(t)
	s.write(noon, put("u", "a", noon+10*minute))
	var reading sync.WaitGroup
	for now, want := range map[int64]int64{noon: 1, noon + day: 0} {
		for range 2 {
			reading.Go(func() {
				for range 2_000 {
					if count, _ := s.Count(now, []byte("a")); count != want {
						t.Errorf("count at %d: %d, want %d", now, count, want)
						return
					}
					if held := s.User(now, []byte("u")); int64(len(held)) != want {
						t.Errorf("user at %d: %v, want %d segments", now, held, want)
						return
					}
				}
			})
		}
	}
	reading.Wait()
}
