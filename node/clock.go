package node

import (
	"sync"
	"time"
)

// clock is this node's clock, and what it knows of the others'.
//
// Memberships expire by it, so a leader whose clock runs ahead would end them
// early, for good: a tick or an entry's time cannot be taken back. A leader
// therefore asks whether a majority agrees before it puts its time into the log.
type clock struct {
	skewMax time.Duration

	mu struct {
		sync.Mutex
		offsets map[string]offset
	}
}

// offset is how far another node's clock is ahead of ours.
type offset struct {
	ahead time.Duration
	at    time.Time
}

func newClock(skewMax time.Duration) *clock {
	c := &clock{skewMax: skewMax}
	c.mu.offsets = make(map[string]offset)
	return c
}

// now returns Unix seconds.
func (c *clock) now() int64 { return time.Now().Unix() }

// heard notes another node's clock as it was read between sent and received.
func (c *clock) heard(node string, theirs, sent, received time.Time) {
	middle := sent.Add(received.Sub(sent) / 2)
	c.mu.Lock()
	c.mu.offsets[node] = offset{theirs.Sub(middle), received}
	c.mu.Unlock()
}

// aheadOf returns how far another node's clock is ahead of ours, if it was heard
// lately.
func (c *clock) aheadOf(node string) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.mu.offsets[node]
	return o.ahead, ok && time.Since(o.at) < reportFreshFor
}

// trusted reports whether a majority of the voters, this node among them, have
// clocks that this one does not run ahead of by more than the allowed skew.
// Voters that were not heard lately do not count.
func (c *clock) trusted(self string, voters []string) bool {
	agree := 0
	for _, id := range voters {
		if id == self {
			agree++
			continue
		}
		if ahead, ok := c.aheadOf(id); ok && ahead >= -c.skewMax {
			agree++
		}
	}
	return agree >= len(voters)/2+1
}
