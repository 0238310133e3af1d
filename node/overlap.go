package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"headcount/fsm"
)

const (
	// overlapsMax is how many overlaps this node counts at once: each takes a core
	// and memory of its own for as long as it lasts.
	overlapsMax = 2
	// overlapTimeout bounds the counting of one.
	overlapTimeout = 10 * time.Second
	// overlapRetryAfter is when a place may be free again.
	overlapRetryAfter = time.Second
)

// Overlap is how much of some segments is the same users, summed over the shards,
// each as it was at one moment.
type Overlap struct {
	Segments     []SegmentCount // in the order asked for
	Intersection int64          // users who are in all of them
	Union        int64          // users who are in any of them
}

// Overlap counts the live memberships of 2 to [fsm.OverlapTitlesMax] distinct
// segments, together and each. It takes one shard after the other, so that only one
// shard's memory is needed at a time; shards hold disjoint users, so overlaps add up.
// It is given up when ctx ends. The error is then, and when the node has no room for
// it now, a *Busy.
func (n *Node) Overlap(ctx context.Context, r Read, titles []string) (Overlap, error) {
	c, err := n.born()
	if err != nil {
		return Overlap{}, err
	}
	if _, err := n.await(c, r); err != nil {
		return Overlap{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, overlapTimeout)
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)()
	var o Overlap
	err = n.overlaps.run(func() (err error) {
		o, err = c.overlap(ctx, n.clock.now(), titles)
		return err
	})
	return o, err
}

func (c *core) overlap(ctx context.Context, now int64, titles []string) (Overlap, error) {
	sum := Overlap{Segments: make([]SegmentCount, len(titles))}
	for i, title := range titles {
		sum.Segments[i].Title = title
	}
	for _, r := range c.replicas {
		o, err := r.machine.Overlap(ctx, now, titles)
		if err != nil {
			return Overlap{}, fmt.Errorf("shard %d: %w", r.shard, err)
		}
		for i, count := range o.Segments {
			sum.Segments[i].UsersCount += count
		}
		sum.Intersection += o.Intersection
		sum.Union += o.Union
	}
	return sum, nil
}

// overlapOutcome is how an overlap that was asked for ended.
type overlapOutcome int

const (
	overlapDone      overlapOutcome = iota
	overlapFull                     // overlapsMax others were being counted
	overlapDisturbed                // too much was written meanwhile
	overlapTimedOut
	overlapGivenUp // the client has gone, or this node stops
	overlapFailed  // a bug

	overlapOutcomes // how many there are
)

var overlapOutcomeNames = [overlapOutcomes]string{"done", "full", "disturbed", "timeout", "given-up", "failed"}

// overlaps bounds how many are counted at once, and counts how they end.
type overlaps struct {
	places chan struct{} // holds one element for each that is being counted
	ended  *[overlapOutcomes]atomic.Uint64
}

func newOverlaps() overlaps {
	return overlaps{make(chan struct{}, overlapsMax), new([overlapOutcomes]atomic.Uint64)}
}

// run calls count if there is a place for it, and makes its failure a *Busy.
func (o *overlaps) run(count func() error) error {
	select {
	case o.places <- struct{}{}:
	default:
		o.ended[overlapFull].Add(1)
		return &Busy{fmt.Sprintf("this node counts %d overlaps already, and no more at once: ask again, or another node", overlapsMax), overlapRetryAfter}
	}
	defer func() { <-o.places }()
	err := count()
	outcome, failure := judgeOverlap(err)
	o.ended[outcome].Add(1)
	return failure
}

func judgeOverlap(err error) (overlapOutcome, error) {
	switch {
	case err == nil:
		return overlapDone, nil
	case errors.Is(err, fsm.ErrOverlapBusy):
		return overlapDisturbed, &Busy{fmt.Sprintf("%v: ask again, or another node", err), overlapRetryAfter}
	case errors.Is(err, context.DeadlineExceeded):
		return overlapTimedOut, &Busy{fmt.Sprintf("the overlap was not counted within %v: ask for fewer or smaller segments, or when the node has less to do", overlapTimeout), overlapRetryAfter}
	case errors.Is(err, context.Canceled):
		return overlapGivenUp, &Busy{"the overlap was given up, because the client has gone or this node stops: ask again, or another node", overlapRetryAfter}
	default:
		return overlapFailed, err
	}
}

func (o *overlaps) writeMetrics(w io.Writer) {
	metrics.WriteGaugeUint64(w, "headcount_overlaps_in_progress", uint64(len(o.places)))
	for outcome, name := range overlapOutcomeNames {
		metrics.WriteCounterUint64(w, fmt.Sprintf("headcount_overlaps_total{outcome=%q}", name), o.ended[outcome].Load())
	}
}
