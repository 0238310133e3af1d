package pgsink

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// ackMax bounds one acknowledgement. Its outcome is then unknown, and it is repeated.
const ackMax = 10 * time.Second

// acker acknowledges flushes behind the flusher's back: one Raft entry at a time, each for
// all flushes so far. It may lag behind; it never runs ahead.
type acker struct {
	outbox Outbox
	sink   *Sink
	logger *slog.Logger
	wake   chan struct{} // capacity 1: one waiting signal stands for every flush before it

	pending struct {
		sync.Mutex
		index uint64 // flushed up to here; never decreases
		rows  int    // flushed since the last acknowledgement was begun
	}
}

func newAcker(ob Outbox, s *Sink, logger *slog.Logger) *acker {
	return &acker{outbox: ob, sink: s, logger: logger, wake: make(chan struct{}, 1)}
}

// flushed reports that PostgreSQL has everything up to index. It does not block.
func (a *acker) flushed(index uint64, rows int) {
	a.pending.Lock()
	a.pending.index = index
	a.pending.rows += rows
	a.pending.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// run acknowledges until ctx ends. The first flush after a quiet time is acknowledged at
// once, so that an idle outbox is an empty one.
func (a *acker) run(ctx context.Context) {
	var begun time.Time // of the last acknowledgement
	pause := backoff{min: a.sink.o.BackoffMin, max: a.sink.o.BackoffMax}
	for a.due(ctx, begun) {
		begun = time.Now()
		if err := a.ack(ctx); err != nil {
			if ctx.Err() != nil {
				return
			}
			a.sink.watched.ackErrors.Inc()
			a.logger.Warn("flushed rows are not acknowledged yet; trying again", "error", err)
			pause.wait(ctx)
			continue
		}
		a.sink.watched.acks.Inc()
		pause.reset()
	}
}

// due waits until there is something to acknowledge and it is time to; false when ctx ends.
func (a *acker) due(ctx context.Context, begun time.Time) bool {
	timer := time.NewTimer(max(0, a.sink.o.AckInterval-time.Since(begun)))
	defer timer.Stop()
	rested := false
	for {
		a.pending.Lock()
		index, rows := a.pending.index, a.pending.rows
		a.pending.Unlock()
		if index > a.outbox.Acked() && (rested || rows >= a.sink.o.AckRows) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-a.wake:
		case <-timer.C:
			rested = true
		}
	}
}

func (a *acker) ack(ctx context.Context) error {
	a.pending.Lock()
	index := a.pending.index
	a.pending.rows = 0
	a.pending.Unlock()
	ctx, cancel := context.WithTimeout(ctx, ackMax)
	defer cancel()
	return a.outbox.Ack(ctx, index)
}
