package fsm

import "sort"

// outbox holds what PostgreSQL does not have yet, one piece per entry, in log
// order. Entries are immutable once appended.
type outbox struct {
	entries []outboxEntry
	rows    int64
	bytes   int64
	acked   uint64 // PostgreSQL has everything up to this index
	sum     uint64 // Σ of the entries' digests
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
	o.rows += int64(e.rows)
	o.bytes += e.cost()
	o.sum += e.digest()
}

// trim forgets the entries up to index: they are in PostgreSQL.
func (o *outbox) trim(index uint64) {
	if index <= o.acked {
		return
	}
	o.acked = index
	n := 0
	for n < len(o.entries) && o.entries[n].index <= index {
		e := &o.entries[n]
		o.rows -= int64(e.rows)
		o.bytes -= e.cost()
		o.sum -= e.digest()
		*e = outboxEntry{}
		n++
	}
	o.entries = o.entries[n:]
	if len(o.entries) == 0 {
		o.entries = nil
	}
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

// OutboxNext returns the entries above index, whole, stopping before rowsMax is
// exceeded unless the first alone is larger. ok is false when there are none.
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
