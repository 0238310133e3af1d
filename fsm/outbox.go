package fsm

import (
	"slices"
	"sort"
)

// outbox holds what PostgreSQL does not have yet, in log order, and before it the
// window: what PostgreSQL had last, in case it is set back.
//
// It is a list of blocks of whole entries. The last one is open: it takes entries until
// it has blockBytes; then it is sealed. A sealed block is owed, kept and dropped as one.
// So where blocks end follows from the log alone, and replicas agree on what is charged
// and what is still here, wherever each of them has its blocks: those that memory has no
// room for are spooled, the oldest first.
type outbox struct {
	blockBytes int
	sealed     []outboxBlock
	open       outboxBlock

	acked   uint64 // PostgreSQL has everything up to this index
	dropped uint64 // entries up to this index have left, all later ones are here

	// PostgreSQL has the first window of the sealed blocks, and of the open one, once it
	// has all sealed ones, the entries that openAcked counts. A block of which it has only
	// a part is owed whole.
	window    int
	openAcked outboxPart
	kept      outboxPart // in the window, without the open block
	owed      outboxPart // in the other sealed blocks
	sum       uint64     // Σ of the sealed blocks' digests

	// Not replicated.
	spool   spool
	spooled int             // so many of the sealed blocks, from the first, are on disk
	memory  int64           // bytes of the sealed blocks that are not
	spares  []*outboxBuffer // wait for a block, at most sparesMax
}

// outboxPart is the size of a part of an outbox.
type outboxPart struct{ rows, bytes int64 }

func (p *outboxPart) add(b *outboxBlock)  { p.rows, p.bytes = p.rows+b.rows, p.bytes+b.bytes }
func (p *outboxPart) take(b *outboxBlock) { p.rows, p.bytes = p.rows-b.rows, p.bytes-b.bytes }

func (o *outbox) append(e outboxEntry) {
	if o.open.buffer == nil {
		o.beginBlock(0)
	}
	o.open.append(e)
	if len(o.open.data) >= o.blockBytes {
		o.seal()
	}
}

// seal closes the open block and opens the next.
func (o *outbox) seal() {
	b := o.open
	if cap(b.data)-len(b.data) > len(b.data)/4 {
		b.data = slices.Clone(b.data) // it may wait long: little more room than it is charged for
	}
	o.beginBlock(len(b.data)) // the next one will be as large, more or less
	o.sum += b.digest()
	o.memory += b.bytes
	if o.window == len(o.sealed) && b.last <= o.acked { // it is restored
		o.window++
		o.kept.add(&b)
	} else {
		o.owed.add(&b)
	}
	o.sealed = append(o.sealed, b)
}

// acknowledge says that the entries up to index are in PostgreSQL.
func (o *outbox) acknowledge(index uint64) {
	if index <= o.acked {
		return
	}
	o.acked = index
	for ; o.window < len(o.sealed) && o.sealed[o.window].last <= index; o.window++ {
		o.owed.take(&o.sealed[o.window])
		o.kept.add(&o.sealed[o.window])
	}
	o.countOpen()
}

// countOpen counts what PostgreSQL has of the open block.
func (o *outbox) countOpen() {
	o.openAcked = outboxPart{}
	if o.window < len(o.sealed) {
		return
	}
	data := o.open.data
	for len(data) > 0 {
		e, rest := nextOutboxEntry(data)
		if e.index > o.acked {
			break
		}
		o.openAcked.rows += int64(e.rows)
		data = rest
	}
	o.openAcked.bytes = int64(len(o.open.data) - len(data))
}

// narrow drops the oldest blocks of the window until it has at most bytesMax, and
// nothing that PostgreSQL was owed at an instant before since, Unix seconds.
func (o *outbox) narrow(bytesMax uint64, since int64) {
	excess := func(b *outboxBlock) bool { return uint64(o.windowBytes()) > bytesMax || b.till < since }
	n := 0
	for ; n < o.window && excess(&o.sealed[n]); n++ {
		b := &o.sealed[n]
		o.kept.take(b)
		o.sum -= b.digest()
		o.dropped = b.last
		if n >= o.spooled {
			o.memory -= b.bytes
		}
		o.endBlock(b)
	}
	o.window -= n
	o.spooled = max(o.spooled-n, 0)
	if o.sealed = o.sealed[n:]; len(o.sealed) == 0 {
		o.sealed = nil
		if o.open.bytes > 0 && o.openAcked == o.open.outboxPart && excess(&o.open) {
			o.dropped = o.open.last
			o.endBlock(&o.open)
			o.openAcked = outboxPart{}
		}
	}
}

// rows counts what PostgreSQL does not have.
func (o *outbox) rows() int64 { return o.owed.rows + o.open.rows - o.openAcked.rows }

// bytes is their size.
func (o *outbox) bytes() int64 { return o.owed.bytes + o.open.bytes - o.openAcked.bytes }

// windowBytes is the size of what PostgreSQL has.
func (o *outbox) windowBytes() int64 { return o.kept.bytes + o.openAcked.bytes }

// oldest returns when the oldest entry that PostgreSQL does not have was applied, 0 if
// there is none. Of a sealed block it takes the first.
func (o *outbox) oldest() int64 {
	switch {
	case o.window < len(o.sealed):
		return o.sealed[o.window].from
	case o.openAcked.bytes < o.open.bytes:
		e, _ := nextOutboxEntry(o.open.data[o.openAcked.bytes:])
		return e.time
	}
	return 0
}

// blocks returns all blocks that have entries. The caller may keep them.
func (o *outbox) blocks() []outboxBlock {
	all := make([]outboxBlock, 0, len(o.sealed)+1)
	for i := range o.sealed {
		all = append(all, o.sealed[i].lend())
	}
	if o.open.bytes > 0 {
		all = append(all, o.open.lend())
	}
	return all
}

// after returns the blocks that have the entries above index: enough for rowsMax rows. The
// caller may keep them.
func (o *outbox) after(index uint64, rowsMax int) (blocks []outboxBlock) {
	first := sort.Search(len(o.sealed), func(i int) bool { return o.sealed[i].last > index })
	rows := int64(0) // surely above index
	for i := first; i < len(o.sealed); i++ {
		if rows >= int64(rowsMax) {
			return blocks
		}
		if len(blocks) > 0 {
			rows += o.sealed[i].rows
		}
		blocks = append(blocks, o.sealed[i].lend())
	}
	if o.open.last > index {
		blocks = append(blocks, o.open.lend())
	}
	return blocks
}

// OutboxBatch is a run of whole outbox entries.
type OutboxBatch struct {
	Index   uint64 // of the last entry
	Rows    int
	Records [][]byte // encoded records, to be read with [NextRecord]; shared, never written
}

// OutboxNext returns the entries above index that are still here, whole, stopping before
// rowsMax is exceeded unless the first alone is larger. ok is false when there are none.
// It may read from disk.
func (m *Machine) OutboxNext(index uint64, rowsMax int) (b OutboxBatch, ok bool) {
	m.mu.RLock()
	blocks := m.mu.state.outbox.after(index, rowsMax)
	m.mu.RUnlock()
	for i := range blocks {
		for e := range entriesOf(blocks[i].read()) {
			if e.index <= index {
				continue
			}
			if b.Rows > 0 && b.Rows+e.rows > rowsMax {
				return b, true
			}
			b.Index = e.index
			b.Rows += e.rows
			b.Records = append(b.Records, e.records)
		}
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

// OutboxIsFull reports whether Apply would refuse a batch now, or this machine's disk
// does not keep up with what its memory has no room for. A leader asks before it
// proposes a batch, so that a full outbox does not fill the log as well.
func (m *Machine) OutboxIsFull() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.mu.state.outboxIsFull() || m.mu.state.outbox.floods()
}

func (st *state) outboxIsFull() bool {
	limit := st.settings.OutboxBytesMax
	return limit > 0 && uint64(st.outbox.bytes()) >= limit
}
