package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"headcount/fsm"
)

const (
	// entryBytesMax bounds one entry: Raft and the log store hold entries whole,
	// and a follower must take one within a heartbeat.
	entryBytesMax = 256 << 10
	// submittedBytesMax bounds the batches that wait at a leader. A lane has one
	// batch at a time, so this is a bound on the number of nodes as well.
	submittedBytesMax = 16 << 20
)

// proposer puts the batches that arrive at a shard's leader into entries.
//
// It is open only while this node leads and its machine has applied everything of
// earlier terms. One entry is in flight; the batches that arrive meanwhile share the
// next one. More entries in flight were slower at every number of shards measured
// (docs/ARCHITECTURE.md): an entry costs each replica a write to disk whatever its
// size, so what a second one gains in overlap it loses by being half as large.
type proposer struct {
	raft  *raft.Raft
	stamp func() int64 // the leader's clock in Unix seconds, 0 if it is not to be trusted
	full  func() bool  // the outbox takes no more

	mu struct {
		sync.Mutex
		waiting []*submission
		bytes   int
		flying  bool // an entry is in flight
		gather  gather
		open    bool
	}
	wake chan struct{} // capacity 1: one note that there is work is enough
}

// submission is one batch at the leader.
type submission struct {
	batch fsm.Batch
	done  chan struct{} // closed when what follows is set
	delivery
	err error
}

func newProposer(r *raft.Raft, stamp func() int64, full func() bool) *proposer {
	return &proposer{raft: r, stamp: stamp, full: full, wake: make(chan struct{}, 1)}
}

// submit waits until the batch is applied. An error that is not errNotProposed and
// not *NotApplied leaves open whether it took effect.
func (p *proposer) submit(ctx context.Context, b fsm.Batch) (delivery, error) {
	s := &submission{batch: b, done: make(chan struct{})}
	if err := p.enqueue(s); err != nil {
		return delivery{}, err
	}
	select {
	case <-s.done:
		return s.delivery, s.err
	case <-ctx.Done():
		if p.withdraw(s) {
			return delivery{}, notProposed("%w", context.Cause(ctx))
		}
		return delivery{}, context.Cause(ctx)
	}
}

func (p *proposer) enqueue(s *submission) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.mu.open {
		return notProposed("this node does not lead")
	}
	if p.mu.bytes+len(s.batch.Records) > submittedBytesMax {
		return notProposed("too many batches wait at the leader")
	}
	p.mu.waiting = append(p.mu.waiting, s)
	p.mu.bytes += len(s.batch.Records)
	// The first one too: run has to set its alarm.
	if !p.mu.flying && (p.wait() == 0 || len(p.mu.waiting) == 1) {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// withdraw takes a submission back, if it was not proposed yet.
func (p *proposer) withdraw(s *submission) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, w := range p.mu.waiting {
		if w == s {
			p.mu.waiting = append(p.mu.waiting[:i], p.mu.waiting[i+1:]...)
			p.mu.bytes -= len(s.batch.Records)
			return true
		}
	}
	return false
}

// run proposes until ctx ends, which is when the leadership does.
func (p *proposer) run(ctx context.Context) {
	p.setOpen(true)
	defer p.setOpen(false)
	for {
		group := p.next(ctx)
		if group == nil {
			return
		}
		if p.full() {
			refuse(group, outboxFull())
			p.landed(0, 0)
			continue
		}
		began := time.Now()
		settle(group, p.raft.Apply(p.entry(group), time.Second))
		p.landed(len(group), time.Since(began))
	}
}

// setOpen opens the proposer, or closes it and sends away who waits.
func (p *proposer) setOpen(open bool) {
	p.mu.Lock()
	p.mu.open = open
	waiting := p.mu.waiting
	if !open {
		p.mu.waiting, p.mu.bytes = nil, 0
	}
	p.mu.Unlock()
	if !open {
		refuse(waiting, notProposed("this node leads no more"))
	}
}

// landed lets the next entry gather: as many batches as were answered, and those that
// wait. It may take as long as the entry did, because the lanes gather as well.
func (p *proposer) landed(batches int, took time.Duration) {
	p.mu.Lock()
	p.mu.flying = false
	p.mu.gather.settled(batches, len(p.mu.waiting), 2*took)
	p.mu.Unlock()
}

// wait says how long the batches that wait should wait for others. The caller holds mu.
func (p *proposer) wait() time.Duration {
	if p.mu.bytes > entryBytesMax/2 {
		return 0
	}
	return p.mu.gather.wait(len(p.mu.waiting))
}

// next waits for work and takes as many submissions as fit into one entry.
func (p *proposer) next(ctx context.Context) []*submission {
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	for {
		group, wait := p.takeEntry()
		if group != nil {
			return group
		}
		var due <-chan time.Time // nil: never
		if wait > 0 {
			alarm.Reset(wait)
			due = alarm.C
		}
		select {
		case <-p.wake:
		case <-due:
		case <-ctx.Done():
			return nil
		}
	}
}

// takeEntry takes the batches of the next entry, or says how long to wait for others;
// 0: until one comes.
func (p *proposer) takeEntry() ([]*submission, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.mu.waiting) == 0 {
		return nil, 0
	}
	if wait := p.wait(); wait > 0 {
		return nil, wait
	}
	n, bytes := 0, 0
	for _, s := range p.mu.waiting {
		size := len(s.batch.Records)
		if n > 0 && bytes+size > entryBytesMax-4096 {
			break
		}
		n, bytes = n+1, bytes+size
	}
	group := p.mu.waiting[:n:n]
	p.mu.waiting = p.mu.waiting[n:]
	p.mu.bytes -= bytes
	p.mu.flying = true
	return group, 0
}

// entry encodes an entry in a buffer of its own: Raft keeps it.
func (p *proposer) entry(group []*submission) []byte {
	size := 16
	for _, s := range group {
		size += len(s.batch.Records) + fsm.OriginBytesMax + 40
	}
	entry := fsm.AppendBatchHeader(make([]byte, 0, size), p.stamp())
	for _, s := range group {
		entry = fsm.AppendBatch(entry, s.batch)
	}
	return entry
}

func refuse(group []*submission, err error) {
	for _, s := range group {
		s.err = err
		close(s.done)
	}
}

func outboxFull() error {
	return &NotApplied{
		Reason:     "PostgreSQL is too far behind: the outbox of a shard is full (postgres.outbox_bytes_max), or the leader's disk has no room for it",
		RetryAfter: 5 * time.Second, OutboxFull: true,
	}
}

// settle waits for an entry and tells its submitters what became of their batches.
// The wait has no bound of its own: Raft answers when the entry is applied, when
// the leadership is lost, or when it is shut down.
func settle(group []*submission, future raft.ApplyFuture) {
	if err := future.Error(); err != nil {
		refuse(group, proposalError(err))
		return
	}
	result := future.Response().(fsm.Result)
	for i, s := range group {
		r := result.Batches[i]
		switch r.Verdict {
		case fsm.Applied, fsm.Repeated:
			s.delivery = delivery{result.Index, r.Statuses}
		case fsm.OutboxFull:
			s.err = outboxFull()
		default:
			s.err = errors.New("a later batch of the same node was applied before this one")
		}
		close(s.done)
	}
}

// proposalError marks the errors with which Raft says that the entry never entered
// the log. All others (leadership lost, shutdown) leave that open.
func proposalError(err error) error {
	for _, never := range []error{raft.ErrNotLeader, raft.ErrLeadershipTransferInProgress, raft.ErrEnqueueTimeout} {
		if errors.Is(err, never) {
			return notProposed("%w", err)
		}
	}
	return err
}
