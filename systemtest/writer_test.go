package systemtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// writer owns its users: it alone writes them, one operation at a time, each
// repeated until it is acknowledged. Used by one goroutine.
type writer struct {
	load   *load
	number int
	rng    *rand.Rand
	model  model
	users  []string

	// unsure users have a write of unknown outcome: it may still come, so they
	// are never deleted from. closed users have such a delete, or have been
	// given up for another reason: they are never written again.
	unsure, closed map[string]bool

	node     int           // the node of the next attempt
	avoid    []time.Time   // per node: until when other nodes are preferred
	waited   time.Duration // the longest time that one operation took to be acknowledged
	serial   int
	unknowns int // attempts of unknown outcome
	repeats  int // attempts that were not applied
	mismatch int // statuses that differ from the model's
	firstOdd string
}

func newWriter(l *load, number int) *writer {
	return &writer{
		load: l, number: number,
		rng:    rand.New(rand.NewPCG(l.options.seed, uint64(number))),
		model:  model{},
		unsure: map[string]bool{}, closed: map[string]bool{},
		node: number % len(l.nodes), avoid: make([]time.Time, len(l.nodes)),
	}
}

// perform repeats the operation until it is acknowledged, and takes it into the
// model. An error is a broken promise, not a fault of the moment.
func (w *writer) perform(ctx context.Context, op operation) error {
	started := time.Now()
	certain := w.certain(op)
	for attempt := 0; ; attempt++ {
		if time.Since(started) > scaled(acknowledgeMax) {
			return fmt.Errorf("%s %s: not acknowledged within %v by any node", op.method, op.path, scaled(acknowledgeMax))
		}
		got, outcome, err := w.attempt(ctx, op)
		if err != nil {
			return err
		}
		if outcome == acknowledged {
			w.waited = max(w.waited, time.Since(started))
			return w.take(op, got, certain && attempt == 0)
		}
		if outcome == unknown {
			certain = false
			w.unknowns++
			w.doubt(op)
		} else {
			w.repeats++
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// certain says whether the model alone decides the status of every record.
func (w *writer) certain(op operation) bool {
	for _, r := range op.writes {
		if w.unsure[r.id] {
			return false
		}
	}
	return true
}

// doubt notes that an attempt of op may take effect at any later time.
func (w *writer) doubt(op operation) {
	for _, r := range op.writes {
		w.unsure[r.id] = true
	}
	for _, key := range op.deletes {
		w.closed[key.id] = true
	}
}

type outcome int

const (
	acknowledged outcome = iota
	notApplied
	unknown
)

// attempt sends op to one node, and chooses the node of the next attempt.
func (w *writer) attempt(ctx context.Context, op operation) (reply, outcome, error) {
	at := w.preferredNode()
	w.node = (at + 1) % len(w.load.nodes)
	got, err := send(ctx, request{
		method: op.method, url: w.load.nodes[at] + op.path,
		contentType: op.contentType, body: op.body,
	})
	switch {
	case err == nil && got.status < 300:
		return got, acknowledged, nil
	case err == nil && got.status != http.StatusServiceUnavailable && got.status != http.StatusGatewayTimeout:
		return got, unknown, fmt.Errorf("%s %s with %.300q: reply %v, want success, 503 or 504", op.method, op.path, op.body, got)
	}
	w.avoid[at] = time.Now().Add(2 * time.Second)
	if err == nil && got.status == http.StatusServiceUnavailable || err != nil && neverSent(err) {
		return got, notApplied, nil
	}
	return got, unknown, nil
}

// preferredNode goes round the nodes, past those that failed a moment ago
// unless all did.
func (w *writer) preferredNode() int {
	now := time.Now()
	for i := range w.load.nodes {
		if at := (w.node + i) % len(w.load.nodes); now.After(w.avoid[at]) {
			return at
		}
	}
	return w.node
}

// take brings an acknowledged operation into the model and compares the reply
// with it.
func (w *writer) take(op operation, got reply, certain bool) error {
	for _, key := range op.deletes {
		delete(w.model, key)
	}
	if len(op.writes) == 0 {
		return nil
	}
	want := map[string]int{}
	now := time.Now()
	for _, r := range op.writes {
		want[w.model.status(r, now, w.load.options.bucketSeconds)]++
		w.model.write(r)
	}
	answered, err := statuses(op, got)
	if err != nil {
		return fmt.Errorf("%s %s: %w in %v", op.method, op.path, err, got)
	}
	if certain && !sameStatuses(answered, want) {
		w.mismatch++
		if w.firstOdd == "" {
			w.firstOdd = fmt.Sprintf("%.400s: answered %v, want %v", op.body, answered, want)
		}
	}
	return nil
}
