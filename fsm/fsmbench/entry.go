package main

import (
	"headcount/fsm"
)

// batchRecords is how many memberships one entry carries.
const batchRecords = 1_000

// entryBytesMax is above the encoding of one entry, so that its buffer never grows.
const entryBytesMax = batchRecords*(1+5+1+idBytesMax+1+8) + 128

// wanted says how many records of an entry must get each status.
type wanted [fsm.OutOfRange + 1]int

// entry is one encoded batch, in a buffer that is used again and again.
type entry struct {
	data    []byte
	records []byte
	count   int
	want    wanted
}

func newEntry() *entry {
	return &entry{data: make([]byte, 0, entryBytesMax), records: make([]byte, 0, entryBytesMax)}
}

// newEntries is so many of them.
func newEntries(n int) []*entry {
	entries := make([]*entry, n)
	for i := range entries {
		entries[i] = newEntry()
	}
	return entries
}

// reset empties the entry.
func (e *entry) reset() {
	e.data, e.records, e.count, e.want = e.data[:0], e.records[:0], 0, wanted{}
}

// put adds membership i as it is after a number of renewals, and what must become of it.
func (e *entry) put(p *population, i, renewals int, want fsm.Status) {
	var id [idBytesMax]byte
	e.records = fsm.AppendRecord(e.records, fsm.Record{
		Op: fsm.OpPut, Expiry: p.expiry(i, renewals), ID: p.appendID(id[:0], i), Segment: p.titles[p.segment(i)],
	})
	e.count++
	e.want[want]++
}

// seal makes the records one batch of one origin.
func (e *entry) seal(now int64, sequence uint64) {
	e.data = fsm.AppendBatchHeader(e.data[:0], now)
	e.data = fsm.AppendBatch(e.data, fsm.Batch{
		Origin: "node-1/0", Epoch: 1, Sequence: sequence, Count: e.count, Records: e.records,
	})
}
