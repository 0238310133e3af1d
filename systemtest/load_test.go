package systemtest

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// acknowledgeMax bounds how long an operation is repeated: longer than any fault
// of these tests lasts.
const acknowledgeMax = 60 * time.Second

// loadOptions bound a load.
type loadOptions struct {
	writers       int   // goroutines
	writes        int   // acknowledged writes after which the load idles along
	perSecond     int   // writes a second over all writers, until then
	bucketSeconds int64 // the cluster's bucket width
	seed          uint64
}

// usualLoad takes about 20 s on an idle two-core machine, so that faults of some
// seconds fall inside it.
func usualLoad(t testing.TB) loadOptions {
	return loadOptions{
		writers: 16, writes: writesPerLoad(t), perSecond: 2500,
		bucketSeconds: 60, seed: uint64(time.Now().UnixNano()),
	}
}

// lightLoad runs beside changes of membership.
func lightLoad(t testing.TB) loadOptions {
	options := usualLoad(t)
	options.writers, options.writes, options.perSecond = 6, 4000, 500
	return options
}

// load is mixed writes over several nodes, from start to finish.
type load struct {
	t       testing.TB
	nodes   []string // base URLs
	options loadOptions

	acked   atomic.Int64
	cancel  context.CancelFunc // on failure: ends the operations in flight
	closing chan struct{}      // closed by finish: no further operation
	writers []*writer
	running sync.WaitGroup

	mu struct {
		sync.Mutex
		err error // the first broken promise
	}
}

// startLoad starts the writers. The caller must call finish.
func startLoad(t testing.TB, nodes []string, options loadOptions) *load {
	t.Helper()
	t.Logf("load: %d writes, seed %d", options.writes, options.seed)
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{t: t, nodes: nodes, options: options, cancel: cancel, closing: make(chan struct{})}
	for i := range options.writers {
		w := newWriter(l, i)
		l.writers = append(l.writers, w)
		l.running.Go(func() { l.run(ctx, w) })
	}
	t.Cleanup(func() { cancel(); l.running.Wait() })
	return l
}

// run paces one writer.
func (l *load) run(ctx context.Context, w *writer) {
	perWrite := time.Second * time.Duration(l.options.writers) / time.Duration(l.options.perSecond)
	due := time.Now()
	for {
		select {
		case <-l.closing:
			return
		case <-ctx.Done():
			return
		case <-time.After(time.Until(due)):
		}
		op := w.next()
		if err := w.perform(ctx, op); err != nil {
			l.fail(fmt.Errorf("writer %d: %w", w.number, err))
			return
		}
		writes := max(len(op.writes), len(op.deletes))
		due = due.Add(time.Duration(writes) * perWrite)
		if l.acked.Add(int64(writes)) >= int64(l.options.writes) {
			due = time.Now().Add(time.Duration(writes) * 10 * perWrite)
		}
	}
}

func (l *load) fail(err error) {
	l.mu.Lock()
	if l.mu.err == nil {
		l.mu.err = err
	}
	l.mu.Unlock()
	l.cancel()
}

func (l *load) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.err
}

// share returns a fraction of the writes of the whole load.
func (l *load) share(percent int) int64 { return int64(l.options.writes) * int64(percent) / 100 }

// reach waits until n writes are acknowledged.
func (l *load) reach(n int64) {
	l.t.Helper()
	eventually(l.t, 2*time.Minute, fmt.Sprintf("the load reaching %d acknowledged writes", n), func() error {
		if err := l.failure(); err != nil {
			l.t.Fatal(err)
		}
		if acked := l.acked.Load(); acked < n {
			return fmt.Errorf("%d are acknowledged", acked)
		}
		return nil
	})
}

// loadResult is what a load left to compare the cluster with.
type loadResult struct {
	model      model
	waited     time.Duration // the longest time that one operation took to be acknowledged
	unknowns   int           // attempts whose outcome stayed unknown
	repeats    int           // attempts that were not applied
	mismatches int           // operations whose status was certain, and another was answered
	firstOdd   string        // the first of these
}

// finish waits until the load has reached its number of writes, and until every
// operation in flight is acknowledged.
func (l *load) finish() loadResult {
	l.t.Helper()
	l.reach(int64(l.options.writes))
	close(l.closing)
	l.running.Wait()
	if err := l.failure(); err != nil {
		l.t.Fatal(err)
	}
	result := loadResult{model: model{}}
	for _, w := range l.writers {
		maps.Copy(result.model, w.model) // writers share no user
		result.waited = max(result.waited, w.waited)
		result.unknowns += w.unknowns
		result.repeats += w.repeats
		result.mismatches += w.mismatch
		if result.firstOdd == "" {
			result.firstOdd = w.firstOdd
		}
	}
	l.t.Logf("load: %d writes acknowledged, %d memberships; the slowest took %v; %d attempts of unknown outcome, %d not applied, %d odd statuses",
		l.acked.Load(), len(result.model), result.waited.Round(time.Millisecond), result.unknowns, result.repeats, result.mismatches)
	if result.mismatches > 0 {
		l.t.Logf("load: the first odd status: %s", result.firstOdd)
	}
	return result
}

// mustNotWait fails the test when an acknowledgement took longer than the limit.
func (r loadResult) mustNotWait(t testing.TB, limit time.Duration) {
	t.Helper()
	if r.waited > scaled(limit) {
		t.Errorf("a write waited %v for its acknowledgement, want at most %v", r.waited, scaled(limit))
	}
}
