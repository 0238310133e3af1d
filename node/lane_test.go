package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"headcount/fsm"
)

// startLane runs a lane whose attempts are the test's.
func startLane(t *testing.T, timeout time.Duration, attempt func(context.Context, fsm.Batch) (delivery, error)) *lane {
	ctx, stop := context.WithCancel(context.Background())
	l := &lane{
		node: "n1", epoch: 1, timeout: timeout, bytesMax: 1 << 20, shards: 1, wake: make(chan struct{}, 1),
		leader:  func() (string, context.Context) { return "leader", context.Background() },
		attempt: func(ctx context.Context, _ string, b fsm.Batch) (delivery, error) { return attempt(ctx, b) },
	}
	var running sync.WaitGroup
	running.Go(func() { l.run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return l
}

func write(t *testing.T, l *lane, id string) error {
	t.Helper()
	tickets, err := l.add(nil, put(id, "s", nextWeek))
	if err != nil {
		return err
	}
	select {
	case <-tickets[0].batch.done:
		return tickets[0].batch.err
	case <-time.After(10 * time.Second):
		t.Fatal("a batch was never settled")
		return nil
	}
}

func applied(b fsm.Batch) (delivery, error) {
	return delivery{1, make([]fsm.Status, b.Count)}, nil
}

func (l *lane) queued() (counts []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.mu.queue {
		counts = append(counts, b.count)
	}
	return counts
}

func TestWhatArrivesWhileABatchIsOnItsWaySharesTheNext(t *testing.T) {
	sending := make(chan int, 2) // sizes; room for all that are expected
	release := make(chan struct{})
	l := startLane(t, time.Minute, func(_ context.Context, b fsm.Batch) (delivery, error) {
		sending <- b.Count
		<-release
		return applied(b)
	})
	var writers sync.WaitGroup
	writers.Go(func() { _ = write(t, l, "early") })
	if n := <-sending; n != 1 {
		t.Errorf("an idle sender took %d records", n)
	}
	for i := range 50 {
		writers.Go(func() { _ = write(t, l, fmt.Sprint(i)) })
	}
	eventually(t, "all 50 wait", func() bool { return slices.Equal(l.queued(), []int{50}) }, func() any { return l.queued() })
	close(release)
	writers.Wait()
	if n := <-sending; n != 50 {
		t.Errorf("the next batch had %d records", n)
	}
}

func TestAFullBatchDoesNotWaitForTheOneBefore(t *testing.T) {
	sending := make(chan int, 2) // sizes; room for all that are expected
	release := make(chan struct{})
	l := startLane(t, time.Minute, func(_ context.Context, b fsm.Batch) (delivery, error) {
		sending <- b.Count
		<-release
		return applied(b)
	})
	defer close(release)
	if _, err := l.add(nil, put("early", "s", nextWeek)); err != nil {
		t.Fatal(err)
	}
	<-sending
	// It leaves once it is full, which may be before this goroutine sees two batches.
	late := time.Now().Add(10 * time.Second)
	for i := 0; ; i++ {
		select {
		case n := <-sending:
			if n < 1000 {
				t.Fatalf("a batch that was not full has left: %d records", n)
			}
			return
		default:
		}
		if time.Now().After(late) {
			t.Fatal("a full batch waits for the one before it")
		}
		if _, err := l.add(nil, put(fmt.Sprint(i), "s", nextWeek)); err != nil {
			time.Sleep(time.Millisecond) // the queue is full: the sender has not come to it yet
		}
	}
}

// Writers who were just answered and write again go together with those who waited.
func TestAnsweredWritersAreWaitedFor(t *testing.T) {
	var sizes []int // one batch at a time
	l := startLane(t, time.Minute, func(_ context.Context, b fsm.Batch) (delivery, error) {
		sizes = append(sizes, b.Count)
		time.Sleep(8 * time.Millisecond) // the commit
		return applied(b)
	})
	var writers sync.WaitGroup
	for i := range 20 {
		writers.Go(func() {
			for range 10 {
				_ = write(t, l, fmt.Sprint(i))
			}
		})
	}
	writers.Wait()
	// Without waiting two groups would take turns: 20 batches.
	if len(sizes) > 15 {
		t.Errorf("200 writes of 20 writers took %d batches: %v", len(sizes), sizes)
	}
}

// Whatever was expected, what is there leaves in the end.
func TestNobodyWaitsForThoseWhoDoNotCome(t *testing.T) {
	l := startLane(t, time.Minute, func(_ context.Context, b fsm.Batch) (delivery, error) { return applied(b) })
	l.mu.Lock()
	l.mu.gather.settled(1000, 0, time.Minute)
	l.mu.Unlock()
	began := time.Now()
	for range 3 {
		if err := write(t, l, "u"); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took < gatherMax/2 || took > time.Second {
		t.Errorf("took %v", took)
	}
}

func TestARepeatedBatchKeepsItsSequence(t *testing.T) {
	var sent []string // one write at a time, so one sender at a time
	l := startLane(t, time.Minute, func(_ context.Context, b fsm.Batch) (delivery, error) {
		sent = append(sent, fmt.Sprint(b.Origin, " ", b.Epoch, " ", b.Sequence))
		if len(sent) < 4 {
			return delivery{}, errors.New("reply lost")
		}
		return applied(b)
	})
	for _, id := range []string{"a", "b"} {
		if err := write(t, l, id); err != nil {
			t.Fatal(err)
		}
	}
	if len(sent) != 5 || sent[0] != sent[1] || sent[0] != sent[2] || sent[0] != sent[3] || sent[0] == sent[4] {
		t.Errorf("sent as %q", sent)
	}
}

func TestAFailedBatchSaysWhetherItMayHaveBeenApplied(t *testing.T) {
	for _, c := range []struct {
		name     string
		attempts []error // the last one repeats
		open     bool
	}{
		{"never proposed", []error{notProposed("no leader")}, false},
		{"one reply lost, then never proposed", []error{errors.New("reply lost"), notProposed("no leader")}, true},
		{"outbox full", []error{outboxFull()}, false},
		{"one reply lost, then outbox full", []error{errors.New("reply lost"), outboxFull()}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 0
			l := startLane(t, 100*time.Millisecond, func(context.Context, fsm.Batch) (delivery, error) {
				err := c.attempts[min(n, len(c.attempts)-1)]
				n++
				return delivery{}, err
			})
			err := write(t, l, "u")
			var open *Unknown
			var not *NotApplied
			if errors.As(err, &open) != c.open || errors.As(err, &not) == c.open {
				t.Errorf("%T: %v", err, err)
			}
		})
	}
}

func TestAFullQueueRefusesAtOnce(t *testing.T) {
	release := make(chan struct{})
	l := startLane(t, time.Minute, func(_ context.Context, b fsm.Batch) (delivery, error) {
		<-release
		return applied(b)
	})
	defer close(release)
	for i := 0; ; i++ {
		_, err := l.add(nil, put(fmt.Sprint(i), "s", nextWeek))
		var not *NotApplied
		if errors.As(err, &not) {
			if l.waitingBytes() > l.bytesMax {
				t.Errorf("%d bytes wait, more than %d", l.waitingBytes(), l.bytesMax)
			}
			return
		}
		if i > 1<<20 {
			t.Fatal("it never was full")
		}
	}
}
