package main

import (
	"math"
	"sync/atomic"
	"time"
)

// stopCheck is how long a worker that waits for its turn may overlook that it is to stop.
const stopCheck = 100 * time.Millisecond

// pace tells the workers of a fleet when their next request is due, until the time is
// over or they are told to stop. All workers share one; its methods may be called by
// any of them.
//
// In a closed loop a worker's next request is due at once. In an open loop requests
// are due at fixed instants, whatever becomes of the ones before: request i at i/rate
// seconds. Any worker that is free takes the next one, and its latency counts from the
// instant it was due. So a stall is felt by every request that falls due in it, as it
// would be by clients that know nothing of each other (G. Tene calls the opposite
// coordinated omission). The schedule is arithmetic: however far the workers fall
// behind, it takes no memory.
type pace struct {
	began, until time.Time
	rate         float64 // requests/s of all workers; 0: a closed loop
	taken        atomic.Uint64
	stop         atomic.Bool
}

func newPace(rate float64, d time.Duration) *pace {
	now := time.Now()
	return &pace{began: now, until: now.Add(d), rate: rate}
}

// next waits until a request is due and returns since when it is. It returns false
// when there is to be no other.
func (p *pace) next() (due time.Time, more bool) {
	if p.rate == 0 {
		now := time.Now()
		return now, now.Before(p.until) && !p.stop.Load()
	}
	due = p.due(p.taken.Add(1) - 1)
	if !due.Before(p.until) {
		return due, false
	}
	if now := time.Now(); due.Before(now) {
		return due, now.Before(p.until) && !p.stop.Load() // late, perhaps too late
	}
	p.rest(due)
	return due, !p.stop.Load()
}

// rest sleeps until an instant, or until there is to be no other request.
func (p *pace) rest(until time.Time) {
	if p.until.Before(until) {
		until = p.until
	}
	for wait := time.Until(until); wait > 0 && !p.stop.Load(); wait = time.Until(until) {
		time.Sleep(min(wait, stopCheck))
	}
}

// due is the instant of a request of an open loop.
func (p *pace) due(number uint64) time.Time {
	return p.began.Add(time.Duration(float64(number) / p.rate * float64(time.Second)))
}

// scheduled is how many requests of an open loop are due in all; 0 in a closed loop.
func (p *pace) scheduled() uint64 {
	n := uint64(math.Ceil(p.until.Sub(p.began).Seconds() * p.rate))
	// The sum above and the instants are rounded each in its own way.
	for n > 0 && !p.due(n-1).Before(p.until) {
		n--
	}
	return n
}

// since is from when a request counts that is sent a second time, since its connection
// had been closed while it rested.
func (p *pace) since(due time.Time) time.Time {
	if p.rate == 0 {
		return time.Now()
	}
	return due
}
