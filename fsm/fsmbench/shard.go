package main

import (
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"headcount/fsm"
)

// ackEntries is how many entries wait in the outbox before they are acknowledged.
// PostgreSQL keeps up here: what it has not yet is not what is measured.
const ackEntries = 8

// shard drives one machine as Raft does, and knows what must come of it. Its methods
// are called from one goroutine.
type shard struct {
	machine *fsm.Machine
	people  *population

	now      int64 // the leader's clock, Unix seconds
	sequence uint64
	log      raft.Log
	ackData  []byte
	unacked  int
	ring     []*entry // one more than wait in the outbox, should it alias the entries
	next     int      // in ring

	put      int     // memberships of people put so far, from the first
	held     []int64 // by segment: those that count and are not near
	heldNear []int64 // by segment: those that count and are near
}

var config = fsm.Config{
	Shard:         1,
	Incarnation:   [16]byte{1},
	HashKey:       [16]byte{0: 7, 8: 9},
	BucketSeconds: bucketSeconds,
	BlockBytes:    64 << 10, // as a node has them
	Born:          born,
}

// newShard has everything but the machine, so that the memory at this point is what
// the generator needs.
func newShard(people *population) *shard {
	return &shard{
		people: people, now: born, ackData: make([]byte, 0, 16), ring: newEntries(ackEntries + 1),
		held: make([]int64, len(people.titles)), heldNear: make([]int64, len(people.titles)),
	}
}

// begin makes the machine.
func (s *shard) begin() {
	s.machine = fsm.New(config)
	s.applyOther(fsm.AppendSettings(nil, fsm.Settings{
		Revision: 1, SegmentsMax: 10_000, OutboxBytesMax: 1 << 30, HistoryPoints: 30,
	}))
}

// applyOther applies an entry that carries no batches.
func (s *shard) applyOther(data []byte) time.Duration {
	s.log.Index++
	s.log.Data = data
	began := time.Now()
	s.machine.Apply(&s.log)
	return time.Since(began)
}

// ack acknowledges everything in the outbox.
func (s *shard) ack() time.Duration {
	s.unacked = 0
	return s.applyOther(fsm.AppendAck(s.ackData[:0], s.log.Index))
}

// apply applies a sealed entry, acknowledges the outbox now and then, and returns how
// long each took. It fails if a record got another status than it must.
func (s *shard) apply(e *entry) (batch, ack time.Duration, err error) {
	s.log.Index++
	s.log.Data = e.data
	began := time.Now()
	applied := s.machine.Apply(&s.log)
	batch = time.Since(began)
	if err := e.check(applied); err != nil {
		return batch, 0, fmt.Errorf("entry %d: %w", s.log.Index, err)
	}
	if s.unacked++; s.unacked == ackEntries {
		ack = s.ack()
	}
	return batch, ack, nil
}

// check compares the statuses with those wanted.
func (e *entry) check(applied any) error {
	result, ok := applied.(fsm.Result)
	if !ok || len(result.Batches) != 1 {
		return fmt.Errorf("a batch was answered with %T", applied)
	}
	var got wanted
	for _, status := range result.Batches[0].Statuses {
		got[status]++
	}
	if got != e.want {
		return fmt.Errorf("verdict %d, records by status %v, want %v", result.Batches[0].Verdict, got, e.want)
	}
	return nil
}

// take returns the next buffer, empty.
func (s *shard) take() *entry {
	e := s.ring[s.next]
	s.next = (s.next + 1) % len(s.ring)
	e.reset()
	return e
}

// seal makes the entry the next of the only origin. Entries are applied in the order
// in which they are sealed.
func (s *shard) seal(e *entry) {
	s.sequence++
	e.seal(s.now, s.sequence)
}

// create adds the next membership that nobody has put yet.
func (s *shard) create(e *entry) {
	i := s.put
	s.put++
	e.put(s.people, i, 0, fsm.Created)
	s.count(i)
}

func (s *shard) count(i int) {
	held := s.held
	if s.people.near(i) {
		held = s.heldNear
	}
	held[s.people.segment(i)]++
}

// grow puts memberships until there are so many. each, if not nil, is called after
// every batch.
func (s *shard) grow(to int, each func(batch, ack time.Duration)) error {
	for s.put < to {
		e := s.take()
		for e.count < batchRecords && s.put < to {
			s.create(e)
		}
		s.seal(e)
		batch, ack, err := s.apply(e)
		if err != nil {
			return err
		}
		if each != nil {
			each(batch, ack)
		}
	}
	return nil
}

// verify compares what the machine counts with what was put, so that a broken machine
// cannot show good figures.
func (s *shard) verify() error {
	want := map[string]int64{}
	var sum int64
	for segment, title := range s.people.titles {
		if n := s.held[segment] + s.heldNear[segment]; n > 0 {
			want[string(title)] = n
			sum += n
		}
	}
	if got := s.machine.Stats().Memberships; got != sum {
		return fmt.Errorf("the machine holds %d memberships, %d were put", got, sum)
	}
	segments := 0
	var wrong error
	s.machine.Counts(s.now, func(title string, count int64) {
		segments++
		if count != want[title] && wrong == nil {
			wrong = fmt.Errorf("segment %s counts %d, %d were put", title, count, want[title])
		}
	})
	if wrong == nil && segments != len(want) {
		wrong = fmt.Errorf("%d segments are counted, %d were put", segments, len(want))
	}
	return wrong
}
