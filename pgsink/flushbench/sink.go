package main

import (
	"context"
	"fmt"
	"sync"

	"headcount/pgsink"
)

// outbox is a full one: it has every entry up to a limit that grows slice by slice. It
// notes how far its reader has come.
type outbox struct {
	source *source

	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, when what follows changes
	limit   uint64        // entries up to here may be had
	asked   uint64        // everything up to here is in PostgreSQL: the reader asked for more
	acked   uint64
}

func newOutbox(s *source) *outbox { return &outbox{source: s, changed: make(chan struct{})} }

func (o *outbox) change(do func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	do()
	close(o.changed)
	o.changed = make(chan struct{})
}

// await waits until the condition holds.
func (o *outbox) await(ctx context.Context, holds func() bool) error {
	for {
		o.mu.Lock()
		now, changed := holds(), o.changed
		o.mu.Unlock()
		if now {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Next implements [pgsink.Outbox].
func (o *outbox) Next(ctx context.Context, after uint64, rowsMax int) (pgsink.Batch, error) {
	o.change(func() { o.asked = max(o.asked, after) })
	if err := o.await(ctx, func() bool { return o.limit > after }); err != nil {
		return pgsink.Batch{}, err
	}
	o.mu.Lock()
	index := min(o.limit, after+max(1, uint64(rowsMax/entryRows)))
	o.mu.Unlock()
	rows := make([]pgsink.Row, 0, (index-after)*entryRows)
	for entry := after + 1; entry <= index; entry++ {
		rows = o.source.append(rows, entry)
	}
	return pgsink.Batch{Rows: rows, Index: index}, nil
}

// Acked implements [pgsink.Outbox].
func (o *outbox) Acked() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.acked
}

// Begin implements [pgsink.Outbox].
func (o *outbox) Begin(context.Context) (uint64, error) { return 0, nil }

// Dropped implements [pgsink.Outbox].
func (o *outbox) Dropped() uint64 { return 0 }

// Ack implements [pgsink.Outbox].
func (o *outbox) Ack(_ context.Context, index uint64) error {
	o.change(func() { o.acked = max(o.acked, index) })
	return nil
}

// sinkMethod is the product's own way.
type sinkMethod struct {
	sink   *pgsink.Sink
	outbox *outbox
	stop   context.CancelFunc
	ended  chan error
}

func newSinkMethod(url string, s *source, flushRows int) (method, error) {
	sink, err := pgsink.Open(url, pgsink.Options{Shards: 1, FlushRowsMax: flushRows})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	m := &sinkMethod{sink: sink, outbox: newOutbox(s), stop: stop, ended: make(chan error, 1)}
	go func() { m.ended <- sink.Run(ctx, pgsink.Stream{Incarnation: "bench"}, m.outbox) }()
	return m, nil
}

func (m *sinkMethod) put(ctx context.Context, _, to uint64) error {
	m.outbox.change(func() { m.outbox.limit = to })
	return m.outbox.await(ctx, func() bool { return m.outbox.asked >= to })
}

func (m *sinkMethod) close() error {
	m.stop()
	err := <-m.ended
	m.sink.Close()
	if err != nil {
		return fmt.Errorf("the sink: %w", err)
	}
	return nil
}
