package api

import "io"

// The bounds of what is handed to [Service.WriteAll] at once, and so of what one
// bulk request holds in memory.
const (
	ChunkRecordsMax = 4096
	ChunkBytesMax   = 512 << 10
)

// bulk reads one bulk body chunk by chunk: a chunk is committed before the next is
// read, which is what slows a client down that is faster than the cluster.
//
// It stops at the first chunk that was not applied in full. Waiting for the rest to
// fail too would take long and help nobody: the client repeats the whole.
type bulk struct {
	service     Service
	expiries    func() expiries // called once for each chunk
	beforeChunk func()          // called before a chunk is read; grants it its time
	tally       tally

	window   window
	writes   []Write
	records  []uint64 // records[i] is the number of writes[i] in the body
	outcomes []Outcome
	bounds   expiries // of the chunk being read
}

// reset makes b ready for a body. What it allocated for another is used again.
func (b *bulk) reset(service Service, source io.Reader, declared int) {
	b.service = service
	b.tally.reset()
	b.window.reset(source, declared)
	b.forget()
}

// forget empties the chunk.
func (b *bulk) forget() {
	b.writes, b.records = b.writes[:0], b.records[:0]
}

// run reads the whole body. What became of it is in the tally.
func (b *bulk) run(next framer) {
	b.begin()
	for !b.tally.stopped() {
		text, found, f := next.next(&b.window)
		switch found {
		case frameRecord:
			b.add(text)
		case frameLong:
			b.tally.number++
			b.tally.reject(b.tally.number, reasonRecordLong)
		case frameShort:
			b.readOn()
		case frameEnd:
			b.flush()
			return
		case frameBroken:
			b.flush()
			b.tally.breakOff(f)
		}
		if len(b.writes) == ChunkRecordsMax {
			b.flush()
			b.begin()
		}
	}
}

// begin starts a chunk.
func (b *bulk) begin() {
	b.bounds = b.expiries()
	b.beforeChunk()
}

// add takes one record into the chunk, or rejects it.
func (b *bulk) add(text []byte) {
	b.tally.number++
	r, f := decodeRecord(text)
	if f.found() {
		b.tally.rejectFault(b.tally.number, f)
		return
	}
	w, f := b.bounds.put(r)
	if f.found() {
		b.tally.rejectFault(b.tally.number, f)
		return
	}
	b.writes = append(b.writes, w)
	b.records = append(b.records, b.tally.number)
}

// readOn brings more of the body into the window. A full window has to be emptied
// first, and so ends the chunk.
func (b *bulk) readOn() {
	switch {
	case b.window.err != nil:
		b.flush()
		b.tally.readError(b.window.err)
	case b.window.full():
		b.flush()
		b.window.slide()
		b.begin()
	default:
		b.window.fill()
	}
}

// flush hands the chunk over and waits for what becomes of it.
func (b *bulk) flush() {
	if len(b.writes) == 0 {
		return
	}
	if cap(b.outcomes) < len(b.writes) {
		b.outcomes = make([]Outcome, ChunkRecordsMax)
	}
	outcomes := b.outcomes[:len(b.writes)]
	clear(outcomes)
	version, err := b.service.WriteAll(b.writes, outcomes)
	b.tally.count(outcomes, b.records)
	b.tally.finish(version, err)
	b.forget()
}
