package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// fleet is all workers. Its methods are called by one goroutine.
type fleet struct {
	workers []*worker
	bulk    bool
}

// newFleet makes a worker for each connection. Worker i goes to the address at i
// modulo their number, of either target. No addresses of the empty handlers: it is
// not driven.
func newFleet(o options, empty []string) *fleet {
	f := &fleet{bulk: o.bulk > 0}
	segments := newZipf(o.segments)
	for i := range o.connections {
		address := o.addresses[i%len(o.addresses)]
		w := &worker{
			draw:    newDraw(o.seed, uint64(i), segments, o.users),
			payload: newPayload(address, o),
		}
		if o.reads > 0 {
			w.reads, w.read = uint64(o.reads*(1<<32)), newReadPayload(address, o)
		}
		w.lanes[toCluster].connection = newConnection(address)
		if len(empty) > 0 {
			w.lanes[toEmpty].connection = newConnection(empty[i%len(empty)])
		}
		f.workers = append(f.workers, w)
	}
	return f
}

// open connects all workers to the target and starts its figures from nothing.
func (f *fleet) open(ctx context.Context, to target) error {
	for i, w := range f.workers {
		l := &w.lanes[to]
		l.tally, l.reads = newTally(f.bulk), newTally(false)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := l.connection.open(); err != nil {
			return fmt.Errorf("opening connection %d of %d: %w", i+1, len(f.workers), err)
		}
	}
	return nil
}

// drive runs all workers against the target at the pace, and returns how long that
// took, from the first request to the last reply.
func (f *fleet) drive(ctx context.Context, to target, p *pace) time.Duration {
	defer context.AfterFunc(ctx, func() { p.stop.Store(true) })()
	var running sync.WaitGroup
	for _, w := range f.workers {
		running.Go(func() { w.run(to, p) })
	}
	running.Wait()
	return time.Since(p.began)
}

// keep has the workers record what they do with a target over time.
func (f *fleet) keep(to target, s *series) {
	for _, w := range f.workers {
		w.lanes[to].series = s
	}
}

// total merges what the workers counted of the target, its writes and its reads. No
// worker may run.
func (f *fleet) total(to target) (writes, reads *tally) {
	writes, reads = newTally(f.bulk), newTally(false)
	for _, w := range f.workers {
		writes.merge(w.lanes[to].tally)
		reads.merge(w.lanes[to].reads)
	}
	return writes, reads
}

// acknowledged is how many writes were, so far. It may be called while workers run.
func (f *fleet) acknowledged(to target) (sum uint64) {
	for _, w := range f.workers {
		sum += w.lanes[to].tally.acknowledged.Load()
	}
	return sum
}

// close closes all connections.
func (f *fleet) close() {
	for _, w := range f.workers {
		for i := range w.lanes {
			w.lanes[i].connection.close()
		}
	}
}
