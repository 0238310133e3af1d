package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// The part of a wait that the client adds of its own: it doubles from round to
// round, and half of it is random so that clients do not come back together.
const (
	backoffMin = 50 * time.Millisecond
	backoffMax = 2 * time.Second
)

// do sends the request, in as many rounds as the options allow, and decodes the
// reply into value, if any.
func (c *Client) do(ctx context.Context, r request, value any) (http.Header, error) {
	return c.rounds(ctx, r, value, c.options.RetriesMax)
}

func (c *Client) rounds(ctx context.Context, r request, value any, retriesMax int) (http.Header, error) {
	failed := &failure{doing: r.doing}
	if !r.isRead() {
		failed.outcome = ErrNotApplied
	}
	for retry := 0; ; retry++ {
		header, errs := c.round(ctx, r, value)
		if errs == nil {
			return header, nil
		}
		failed.lastRound = errs
		last := errs[len(errs)-1]
		if !r.isRead() && outcomeOf(r, last) == ErrUnknown {
			failed.outcome = ErrUnknown // and stays so, whatever later rounds say
		}
		if retry == retriesMax || !passing(last) || !c.wait(ctx, pause(retry, errs)) {
			return nil, failed
		}
	}
}

// round asks each URL at most once. It returns the errors of all it asked, or nil
// when one did what was asked. Only the last error can leave a write's outcome
// unknown.
func (c *Client) round(ctx context.Context, r request, value any) (http.Header, []error) {
	var errs []error
	first := int(c.first.Load())
	for i := range c.urls {
		at := (first + i) % len(c.urls)
		header, err := c.attempt(ctx, c.urls[at], r, value)
		if err == nil {
			c.first.Store(uint32(at))
			return header, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", c.urls[at], err))
		if !passing(err) {
			return nil, errs
		}
		// Whoever comes next begins at the next URL.
		c.first.Store(uint32((at + 1) % len(c.urls)))
		if ctx.Err() != nil || !r.isRead() && outcomeOf(r, err) == ErrUnknown {
			return nil, errs
		}
	}
	return nil, errs
}

// pause is how long to wait before the round after a failed one: as long as the
// nodes asked for, and then some.
func pause(retry int, errs []error) time.Duration {
	var asked time.Duration
	for _, err := range errs {
		var problem *Problem
		if errors.As(err, &problem) {
			asked = max(asked, problem.RetryAfter)
		}
	}
	backoff := backoffMax
	if retry < 16 { // beyond it the shift could overflow
		backoff = min(backoffMax, backoffMin<<retry)
	}
	return asked + backoff/2 + rand.N(backoff/2)
}

// wait waits, unless the pause is longer than allowed or than the context lasts.
// It reports whether there may be another round.
func (c *Client) wait(ctx context.Context, pause time.Duration) bool {
	if pause > c.options.RetryWaitMax {
		return false
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pause {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
