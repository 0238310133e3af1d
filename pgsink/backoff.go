package pgsink

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is how long to wait after a failure: twice as long after each, up to max, and
// of that a random part between half and all, so that nodes do not come in step.
type backoff struct {
	min, max time.Duration
	next     time.Duration
}

func (b *backoff) reset() { b.next = 0 }

// wait returns early when ctx ends.
func (b *backoff) wait(ctx context.Context) {
	b.next = min(max(b.next, b.min), b.max)
	pause := b.next/2 + rand.N(b.next/2+1)
	b.next *= 2
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
