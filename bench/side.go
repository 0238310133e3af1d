package main

import (
	"context"
	"time"
)

// side is writes to the cluster at a fixed rate, while something else is measured. Its
// methods are called by one goroutine. Nil: there are none.
type side struct {
	fleet *fleet
	rate  float64

	pace  *pace
	ended chan time.Duration // how long it took
}

// newSide returns nil where the options ask for no writes.
func newSide(o options) *side {
	if o.beside == 0 {
		return nil
	}
	return &side{fleet: newFleet(o.side(), nil), rate: o.beside}
}

// begin writes until end.
func (s *side) begin(ctx context.Context) error {
	if s == nil {
		return nil
	}
	if err := s.fleet.open(ctx, toCluster); err != nil {
		return err
	}
	s.pace, s.ended = newPace(s.rate, sideMax), make(chan time.Duration, 1)
	go func() { s.ended <- s.fleet.drive(ctx, toCluster, s.pace) }()
	return nil
}

// sideMax is longer than any measurement that it is beside.
const sideMax = 3 * durationMax

// end stops the writes, and returns their figures when the last reply is there.
func (s *side) end() *figures {
	if s == nil {
		return nil
	}
	stopped := time.Now()
	s.pace.stop.Store(true)
	took := <-s.ended
	s.pace.until = stopped // nobody reads it any more
	writes, _ := s.fleet.total(toCluster)
	f := figuresOf(writes, took, s.pace.scheduled())
	return &f
}

// close closes the connections.
func (s *side) close() {
	if s != nil {
		s.fleet.close()
	}
}
