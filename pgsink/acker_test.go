package pgsink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
)

// TestAcknowledgementsAreFewAndOneAtATime: each is a Raft entry.
func TestAcknowledgementsAreFewAndOneAtATime(t *testing.T) {
	url := newDatabase(t)
	o := impatient(t)
	o.AckInterval = 100 * time.Millisecond
	s, outbox := mustOpen(t, url, o), newLog(1)
	var underWay, overlaps atomic.Int64
	outbox.ackHook = func(context.Context, uint64) error {
		if underWay.Add(1) > 1 {
			overlaps.Add(1)
		}
		defer underWay.Add(-1)
		time.Sleep(time.Millisecond)
		return nil
	}
	for i := range 800 {
		outbox.append(put(fmt.Sprintf("user-%d", i), "s", 1))
	}
	begun := time.Now()
	lead(t, s, testStream, outbox)
	eventually(t, "the outbox drained", outbox.isDrained)
	intervals := int(time.Since(begun)/o.AckInterval) + 1
	if flushes := s.Status().Flushes; flushes < 100 || outbox.acks > intervals+1 {
		t.Errorf("%d acknowledgements for %d flushes in %d intervals", outbox.acks, flushes, intervals)
	}
	if overlaps.Load() > 0 {
		t.Error("two acknowledgements in flight")
	}
}

// TestManyRowsAreAcknowledgedEarly: the outbox must not fill up while the interval passes.
func TestManyRowsAreAcknowledgedEarly(t *testing.T) {
	o := impatient(t)
	o.AckInterval, o.AckRows = time.Hour, 100
	s, outbox := mustOpen(t, newDatabase(t), o), newLog(1)
	draw := rand.New(rand.NewPCG(1, 1))
	lead(t, s, testStream, outbox)
	first := outbox.append(put("first", "s", 1))
	eventually(t, "after a quiet time at once", func() bool { return outbox.Acked() == first })
	outbox.append(randomRows(draw, 99)...)
	eventually(t, "the flush is through", func() bool { return s.Status().RowsFlushed == 100 })
	if outbox.Acked() != first {
		t.Error("acknowledged before its time")
	}
	last := outbox.append(put("last", "s", 1))
	eventually(t, "after enough rows", func() bool { return outbox.Acked() == last })
}

// TestRunWaitsForItsAcknowledgement: nothing of a leadership outlives it.
func TestRunWaitsForItsAcknowledgement(t *testing.T) {
	s, outbox := mustOpen(t, newDatabase(t), impatient(t)), newLog(1)
	outbox.ackHook = func(ctx context.Context, _ uint64) error {
		<-ctx.Done()
		time.Sleep(50 * time.Millisecond) // as slow to leave as a Raft future
		return ctx.Err()
	}
	stop := lead(t, s, testStream, outbox)
	outbox.append(put("u", "s", 1))
	acking := func() bool {
		outbox.mu.Lock()
		defer outbox.mu.Unlock()
		return outbox.acking > 0
	}
	eventually(t, "an acknowledgement is in flight", acking)
	stop()
	if acking() {
		t.Fatal("Run returned before its acknowledgement")
	}
}

// TestFailedAcknowledgementDoesNotStopFlushing, and is repeated.
func TestFailedAcknowledgementDoesNotStopFlushing(t *testing.T) {
	s, outbox := mustOpen(t, newDatabase(t), impatient(t)), newLog(1)
	var healthy atomic.Bool
	outbox.ackHook = func(context.Context, uint64) error {
		if !healthy.Load() {
			return errors.New("no quorum")
		}
		return nil
	}
	lead(t, s, testStream, outbox)
	for i := range 50 {
		outbox.append(put(fmt.Sprintf("user-%d", i), "s", 1))
	}
	eventually(t, "everything is flushed", func() bool { return s.Status().RowsFlushed == 50 })
	healthy.Store(true)
	eventually(t, "everything is acknowledged", outbox.isDrained)
	if s.Status().Errors != 0 {
		t.Errorf("status: %+v", s.Status())
	}
}
