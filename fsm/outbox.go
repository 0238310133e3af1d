package fsm

import "sort"

// outbox holds what PostgreSQL does not have yet, one piece per entry, in log
// order, and before it the window: what PostgreSQL had last, in case it is set back.
// Entries are immutable once appended.
type outbox struct {
	entries []outboxEntry
	window  int    // how many of them, from the first, PostgreSQL has
	dropped uint64 // entries up to this index have left, all later ones are here

	windowBytes int64
	rows, bytes int64  // of what PostgreSQL does not have
	acked       uint64 // PostgreSQL has everything up to this index
	sum         uint64 // Σ of the entries' digests
}

type outboxEntry struct {
	index   uint64
	rows    int
	time    int64  // the machine's time when it was applied, Unix seconds
	records []byte // their encodings, see [AppendRecord]
}

// outboxEntryCost is what an entry is charged beyond its records, in bytes.
const outboxEntryCost = 64

func (e outboxEntry) cost() int64 { return int64(len(e.records)) + outboxEntryCost }

func (o *outbox) append(e outboxEntry) {
	o.entries = append(o.entries, e)
	o.sum += e.digest()
	if e.index <= o.acked { // it is restored
		o.window++
		o.windowBytes += e.cost()
		return
	}
	o.rows += int64(e.rows)
	o.bytes += e.cost()
}

// acknowledge says that the entries up to index are in PostgreSQL, and keeps the last of
// them that fit into so many bytes.
func (o *outbox) acknowledge(index, windowBytesMax uint64) {
	if index <= o.acked {
		return
	}
	o.acked = index
	for o.window < len(o.entries) && o.entries[o.window].index <= index {
		e := &o.entries[o.window]
		o.rows -= int64(e.rows)
		o.bytes -= e.cost()
		o.windowBytes += e.cost()
		o.window++
	}
	o.narrow(windowBytesMax)
}

// narrow forgets the oldest entries of the window until it has at most so many bytes.
func (o *outbox) narrow(bytesMax uint64) {
	n := 0
	for n < o.window && uint64(o.windowBytes) > bytesMax {
		e := &o.entries[n]
		o.windowBytes -= e.cost()
		o.sum -= e.digest()
		o.dropped = e.index
		*e = outboxEntry{}
		n++
	}
	o.window -= n
	if o.entries = o.entries[n:]; len(o.entries) == 0 {
		o.entries = nil
	}
}

// oldest returns when the oldest entry that PostgreSQL does not have was applied, 0 if
// there is none.
func (o *outbox) oldest() int64 {
	if o.window == len(o.entries) {
		return 0
	}
	return o.entries[o.window].time
}

// after returns the position of the first entry above index.
func (o *outbox) after(index uint64) int {
	return sort.Search(len(o.entries), func(i int) bool { return o.entries[i].index > index })
}

// OutboxBatch is a run of whole outbox entries.
type OutboxBatch struct {
	Index   uint64 // of the last entry
	Rows    int
	Records [][]byte // encoded records, to be read with [NextRecord]; shared, never written
}

// OutboxNext returns the entries above index that are still here, whole, stopping before
// rowsMax is exceeded unless the first alone is larger. ok is false when there are none.
func (m *Machine) OutboxNext(index uint64, rowsMax int) (b OutboxBatch, ok bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	o := &m.mu.state.outbox
	for _, e := range o.entries[o.after(index):] {
		if b.Rows > 0 && b.Rows+e.rows > rowsMax {
			break
		}
		b.Index = e.index
		b.Rows += e.rows
		b.Records = append(b.Records, e.records)
	}
	return b, b.Rows > 0
}

// OutboxAcked returns the index up to which PostgreSQL is known to have everything.
func (m *Machine) OutboxAcked() uint64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.mu.state.outbox.acked
}

// OutboxDropped returns the index up to which entries have left the outbox. All later
// ones are there, also those that PostgreSQL has.
func (m *Machine) OutboxDropped() uint64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.mu.state.outbox.dropped
}

// OutboxIsFull reports whether Apply would refuse a batch now. A leader asks
// before it proposes one, so that a full outbox does not fill the log as well.
func (m *Machine) OutboxIsFull() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.mu.state.outboxIsFull()
}

func (st *state) outboxIsFull() bool {
	limit := st.settings.OutboxBytesMax
	return limit > 0 && uint64(st.outbox.bytes) >= limit
}
