package pgsink

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
)

type entry struct {
	index uint64
	rows  []Row
}

// log is a shard's outbox in memory, as every replica would have it: trimmed by the
// acknowledgement, cut into batches at random.
type log struct {
	ackHook    func(ctx context.Context, index uint64) error // nil, or runs before an acknowledgement takes effect
	entriesMax int                                           // in one batch; 0: drawn each time

	mu      sync.Mutex
	entries []entry
	last    uint64
	acked   uint64
	dropped uint64
	window  int // entries that are kept although they are acknowledged
	acks    int
	acking  int // Ack calls under way
	changed chan struct{}
	draw    *rand.Rand
}

func newLog(seed uint64) *log {
	return &log{changed: make(chan struct{}), draw: rand.New(rand.NewPCG(seed, seed))}
}

// append adds an entry; like in a Raft log, indexes may be left out.
func (l *log) append(rows ...Row) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last += 1 + uint64(l.draw.IntN(3))
	l.entries = append(l.entries, entry{l.last, rows})
	close(l.changed)
	l.changed = make(chan struct{})
	return l.last
}

func (l *log) Next(ctx context.Context, after uint64, rowsMax int) (Batch, error) {
	for {
		l.mu.Lock()
		batch, changed := l.cut(after, rowsMax), l.changed
		l.mu.Unlock()
		if batch.Index > 0 {
			return batch, nil
		}
		select {
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		case <-changed:
		}
	}
}

func (l *log) cut(after uint64, rowsMax int) (b Batch) {
	entriesMax := l.entriesMax
	if entriesMax == 0 {
		entriesMax = 1 + l.draw.IntN(8)
	}
	for _, e := range l.entries {
		if e.index <= after {
			continue
		}
		if entriesMax--; entriesMax < 0 || b.Index > 0 && len(b.Rows)+len(e.rows) > rowsMax {
			break
		}
		b.Rows = append(b.Rows, e.rows...)
		b.Index = e.index
	}
	return b
}

func (l *log) Acked() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked
}

// Begin is for leaders that begin whenever they are asked.
func (l *log) Begin(context.Context) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last, nil
}

func (l *log) Dropped() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

func (l *log) Ack(ctx context.Context, index uint64) error {
	l.mu.Lock()
	l.acking++
	l.mu.Unlock()
	var err error
	if l.ackHook != nil {
		err = l.ackHook(ctx, index)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acking--
	l.acks++
	if err != nil {
		return err
	}
	l.trim(index)
	return nil
}

func (l *log) trim(index uint64) {
	l.acked = max(l.acked, index)
	acked := 0
	for acked < len(l.entries) && l.entries[acked].index <= l.acked {
		acked++
	}
	if n := acked - l.window; n > 0 {
		l.dropped = l.entries[n-1].index
		l.entries = slices.Clone(l.entries[n:])
	}
}

func (l *log) length() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

func (l *log) isDrained() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked == l.last
}
