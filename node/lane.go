package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"headcount/fsm"
)

// batchBytesMax bounds the records of one batch. Several batches share an entry of
// at most entryBytesMax.
const batchBytesMax = 128 << 10

// retryPause is how long a lane waits before it tries again, unless the leader
// changes first. It doubles up to retryPauseMax.
const (
	retryPause    = 5 * time.Millisecond
	retryPauseMax = 100 * time.Millisecond
)

// sendersPerLane is how many batches of a lane may be on their way at once. The second
// one is for full batches: others wait for the first to come back, and grow.
const sendersPerLane = 2

// lane gathers the writes that arrive at this node for one shard and delivers
// them to its leader, in batches.
//
// A writer adds its records to the last batch of the queue and waits until that
// batch is done. A sender takes the first batch, delivers it, and marks it done,
// which wakes every writer of the batch at once. So the batch that fills is as
// large as what arrives while one is on its way, and shortly after, see [gather]:
// large under load, a single record, at once, on an idle node.
//
// Each sender is an origin of its own and delivers one batch at a time, so that the
// state machine need remember only its last. Batches of two senders may be applied
// in either order: writes that are under way at the same time have none.
//
// Invariants: a sender has at most one batch on its way; its sequence is above those
// of all its earlier ones; a batch is done at its due time at the latest, plus what a
// cancelled attempt takes to return.
type lane struct {
	shard   uint32
	node    string // the instance whose lane it is: an ID may come back with its count of starts lost
	epoch   uint64
	timeout time.Duration // from a batch's first record until it is given up
	// attempt delivers a batch to the leader once. An error that is not
	// errNotProposed leaves open whether it took effect.
	attempt func(ctx context.Context, leader string, b fsm.Batch) (delivery, error)
	leader  func() (id string, until context.Context)

	bytesMax int // of all batches that wait
	shards   int // that the node's writers spread over

	mu struct {
		sync.Mutex
		queue  []*batch // the last one fills
		bytes  int
		onWay  int // batches taken and not settled
		gather gather
		closed bool
	}
	wake chan struct{} // capacity 1: one note that there is work is enough
}

// sender is an origin, as the state machine knows it.
type sender struct {
	lane     *lane
	origin   string
	sequence uint64 // of the last batch
}

// batch is many writes on their way together.
type batch struct {
	records []byte
	count   int
	due     time.Time

	done chan struct{} // closed when what follows is set
	delivery
	err error // *NotApplied or *Unknown
}

// delivery is what became of a batch that was applied.
type delivery struct {
	index    uint64
	statuses []fsm.Status
}

// ticket is one record's place in a batch.
type ticket struct {
	batch *batch
	at    int
}

// add puts records into the queue, in order, and appends their tickets to
// tickets. It adds all of them or none.
func (l *lane) add(tickets []ticket, records ...fsm.Record) ([]ticket, error) {
	size := 0
	for _, r := range records {
		size += recordSize(r)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	rested := len(l.mu.queue) == 0
	if l.mu.closed {
		return tickets, &NotApplied{Reason: "this node is stopping", RetryAfter: time.Second}
	}
	if l.mu.bytes+size > l.bytesMax {
		return tickets, &NotApplied{Reason: fmt.Sprintf("more writes wait for shard %d than this node may hold (write.queue_bytes_max)", l.shard), RetryAfter: time.Second}
	}
	for _, r := range records {
		b := l.filling(recordSize(r))
		tickets = append(tickets, ticket{b, b.count})
		before := len(b.records)
		b.records = fsm.AppendRecord(b.records, r)
		b.count++
		l.mu.bytes += len(b.records) - before
	}
	// The first record too: a sender has to set its alarm.
	if b, _ := l.first(); b != nil || rested {
		l.note()
	}
	return tickets, nil
}

// recordSize is at least the size of the record's encoding.
func recordSize(r fsm.Record) int { return 16 + len(r.ID) + len(r.Segment) }

// filling returns the batch to add a record of this size to. The caller holds mu.
func (l *lane) filling(size int) *batch {
	if n := len(l.mu.queue); n > 0 && len(l.mu.queue[n-1].records)+size <= batchBytesMax {
		return l.mu.queue[n-1]
	}
	b := &batch{due: time.Now().Add(l.timeout), done: make(chan struct{})}
	l.mu.queue = append(l.mu.queue, b)
	return b
}

func (l *lane) waitingBytes() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.bytes
}

// first returns the batch that may leave now, or nil and how long to wait before
// asking again; 0: until something changes. The caller holds mu.
func (l *lane) first() (*batch, time.Duration) {
	if len(l.mu.queue) == 0 {
		return nil, 0
	}
	b := l.mu.queue[0]
	if full := len(l.mu.queue) > 1; full {
		return b, 0
	}
	if l.mu.onWay > 0 {
		return nil, 0
	}
	if wait := l.mu.gather.wait(b.count); wait > 0 {
		return nil, wait
	}
	return b, 0
}

// take takes the first batch, or says how long to wait; 0: for a note.
func (l *lane) take() (*batch, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, wait := l.first()
	if b == nil {
		return nil, wait
	}
	l.mu.queue[0] = nil
	l.mu.queue = l.mu.queue[1:]
	l.mu.bytes -= len(b.records)
	l.mu.onWay++
	if next, _ := l.first(); next != nil {
		l.note() // for another sender
	}
	return b, 0
}

// settle marks a batch done and lets the next one gather.
func (l *lane) settle(b *batch, took time.Duration) {
	close(b.done)
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := 0
	for _, w := range l.mu.queue {
		waiting += w.count
	}
	l.mu.onWay--
	// Those who were answered write next to any of the shards.
	l.mu.gather.settled((b.count+l.shards-1)/l.shards, waiting, took)
}

// note wakes a sender that rests, if one does.
func (l *lane) note() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run delivers batches until ctx ends, then gives up what waits.
func (l *lane) run(ctx context.Context) {
	var senders sync.WaitGroup
	for i := range sendersPerLane {
		s := &sender{lane: l, origin: fmt.Sprintf("%s/%d", l.node, i)}
		senders.Go(func() { s.run(ctx) })
	}
	senders.Wait()
	l.close()
}

func (s *sender) run(ctx context.Context) {
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	for {
		b, wait := s.lane.take()
		if b != nil {
			began := time.Now()
			b.delivery, b.err = s.deliver(ctx, b)
			s.lane.settle(b, time.Since(began))
			continue
		}
		var due <-chan time.Time // nil: never
		if wait > 0 {
			alarm.Reset(wait)
			due = alarm.C
		}
		select {
		case <-s.lane.wake:
		case <-due:
		case <-ctx.Done():
			return
		}
	}
}

func (l *lane) close() {
	l.mu.Lock()
	l.mu.closed = true
	queue := l.mu.queue
	l.mu.queue = nil
	l.mu.Unlock()
	for _, b := range queue {
		b.err = &NotApplied{Reason: "this node is stopping", RetryAfter: time.Second}
		close(b.done)
	}
}

// deliver tries until the batch is applied, refused, or due.
func (s *sender) deliver(ctx context.Context, b *batch) (delivery, error) {
	l := s.lane
	s.sequence++
	sent := fsm.Batch{Origin: s.origin, Epoch: l.epoch, Sequence: s.sequence, Count: b.count, Records: b.records}
	last := errors.New("no leader is known")
	open := false // an attempt may still take effect
	pause := retryPause
	for ctx.Err() == nil && time.Now().Before(b.due) {
		leader, until := l.leader()
		if leader != "" {
			d, err := l.try(ctx, until, b.due, leader, sent)
			if err == nil && len(d.statuses) != b.count {
				err = fmt.Errorf("%d statuses came back for %d records", len(d.statuses), b.count)
			}
			if err == nil {
				return d, nil
			}
			var refusal *NotApplied
			if errors.As(err, &refusal) && !open {
				return delivery{}, err
			}
			last = err
			open = open || !errors.Is(err, errNotProposed)
		}
		l.rest(ctx, until, pause)
		pause = min(2*pause, retryPauseMax)
	}
	switch {
	case open:
		return delivery{}, &Unknown{fmt.Sprintf("shard %d: %s", l.shard, whyOpen(last))}
	case ctx.Err() != nil:
		return delivery{}, &NotApplied{Reason: "this node is stopping", RetryAfter: time.Second}
	}
	return delivery{}, &NotApplied{Reason: fmt.Sprintf("shard %d could not take it within %v: %v", l.shard, l.timeout, last), RetryAfter: time.Second}
}

// whyOpen says why an attempt's outcome is not known.
func whyOpen(err error) string {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return "its leader changed, or did not answer in time"
	}
	return err.Error()
}

// try makes one attempt, which ends when another node leads or the batch is due.
func (l *lane) try(ctx, until context.Context, due time.Time, leader string, b fsm.Batch) (delivery, error) {
	attempt, cancel := context.WithDeadline(until, due)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	return l.attempt(attempt, leader, b)
}

// rest waits for a moment, for another leader, or for the end.
func (l *lane) rest(ctx, until context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-until.Done():
	case <-ctx.Done():
	}
}
