package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// writerPatience is how long a writer waits for a node's reply before it asks another.
const writerPatience = 2 * time.Second

// writers write memberships of one segment, each of another user, in an open loop.
// Each repeats its write, at one node after the other, until it is acknowledged: as a
// client may, since a repeated write does no harm. So the number of users in the
// segment tells whether anything acknowledged is missing.
type writers struct {
	segment string
	expiry  int64
	list    []*writer
	numbers atomic.Uint64 // users named
}

// writer sends one write at a time. It has a connection to every node.
type writer struct {
	all   *writers
	hosts []string
	nodes []connection
	turn  int // the node that is asked next
	tally *tally
	acks  []ack
}

// ack is one acknowledged write.
type ack struct {
	due, at time.Time
}

func newWriters(urls []string, n int, run string) (*writers, error) {
	all := &writers{segment: "failover-" + run, expiry: time.Now().Add(24 * time.Hour).Unix()}
	for i := range n {
		w := &writer{all: all, turn: i, tally: newTally(false)}
		for _, url := range urls {
			address, err := addressOf(url)
			if err != nil {
				return nil, err
			}
			w.hosts = append(w.hosts, address)
			w.nodes = append(w.nodes, newConnection(address))
		}
		all.list = append(all.list, w)
	}
	return all, nil
}

// run writes until ctx ends, and then, for a while, until every write that was begun is
// acknowledged.
func (all *writers) run(ctx context.Context, rate float64) {
	p := newPace(rate, durationMax)
	defer context.AfterFunc(ctx, func() { p.stop.Store(true) })()
	var running sync.WaitGroup
	for _, w := range all.list {
		running.Go(func() { w.run(ctx, p) })
	}
	running.Wait()
}

func (w *writer) run(ctx context.Context, p *pace) {
	defer func() {
		for i := range w.nodes {
			w.nodes[i].close()
		}
	}()
	for due, more := p.next(); more; due, more = p.next() {
		body := fmt.Sprintf(`{"ID":"u%d","segment":%q,"expiredSegment":%d}`, w.all.numbers.Add(1), w.all.segment, w.all.expiry)
		w.tally.sent++
		if w.write(ctx, body) {
			w.acks = append(w.acks, ack{due, time.Now()})
		}
	}
}

// write repeats a write until it is acknowledged; false: not within the time that is
// left when ctx has ended.
func (w *writer) write(ctx context.Context, body string) bool {
	var over time.Time
	for {
		pause := w.attempt(body)
		if pause == 0 {
			return true
		}
		if ctx.Err() != nil && over.IsZero() {
			over = time.Now().Add(settleTimeout)
		}
		if !over.IsZero() && time.Now().After(over) {
			return false
		}
		time.Sleep(pause)
		w.turn++
	}
}

// attempt asks one node. It returns 0 if the write was acknowledged, or how long to
// wait before the next attempt.
func (w *writer) attempt(body string) (pause time.Duration) {
	at := w.turn % len(w.nodes)
	c := &w.nodes[at]
	request := fmt.Appendf(nil, "POST /users HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		w.hosts[at], len(body), body)
	if err := c.setDeadline(time.Now().Add(writerPatience)); err != nil {
		c.close()
	}
	if err := c.exchange(request); err != nil {
		w.tally.failed(err)
		return time.Millisecond // another node
	}
	w.tally.replied(&c.reply, 0, 1)
	switch {
	case c.reply.status == 200 || c.reply.status == 201:
		return 0
	case c.reply.status == 503:
		return max(c.reply.retryAfter, time.Millisecond)
	default:
		return errorPause
	}
}

// figures sums up what came of the writers, who have ended, around the faults.
func (all *writers) figures(kind string, faults []time.Time) failoverFigures {
	total := newTally(false)
	var acks []ack
	for _, w := range all.list {
		total.merge(w.tally)
		acks = append(acks, w.acks...)
	}
	slices.SortFunc(acks, func(a, b ack) int { return a.at.Compare(b.at) })
	latency := newTally(false)
	for _, a := range acks {
		latency.latency.RecordValue(a.at.Sub(a.due).Microseconds())
	}
	f := failoverFigures{
		Kind: kind, Sent: total.sent, Acknowledged: uint64(len(acks)),
		Latency: figuresOf(latency, time.Second, 0).Latency, Trouble: total.trouble,
	}
	for _, at := range faults {
		f.GapsMilliseconds = append(f.GapsMilliseconds, float64(gap(acks, at).Microseconds())/1000)
	}
	return f
}

// gap is the longest time between two acknowledgements of which the later one comes
// after the fault, and the earlier one before the next is prepared. The acks are in
// order. Where none came after the fault, it is the time since then.
func gap(acks []ack, fault time.Time) (longest time.Duration) {
	first, _ := slices.BinarySearchFunc(acks, fault, func(a ack, t time.Time) int { return a.at.Compare(t) })
	if first == len(acks) {
		return time.Since(fault)
	}
	end := fault.Add(afterFault)
	for i := max(first, 1); i < len(acks) && acks[i-1].at.Before(end); i++ {
		longest = max(longest, acks[i].at.Sub(acks[i-1].at))
	}
	return longest
}
