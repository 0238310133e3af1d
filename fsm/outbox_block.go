package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"os"
	"sync/atomic"
)

// outboxBlock is a run of whole entries. What is in it is immutable: the open one grows
// behind it.
type outboxBlock struct {
	outboxPart
	last uint64 // index of the last entry
	from int64  // the machine's time when the first entry was applied, Unix seconds
	till int64  // the same of the last one
	crc  uint32 // CRC32C of the data

	data   []byte // the entries' encodings; nil: they are in the file
	buffer *outboxBuffer
	file   *os.File // see spool
	offset int64
}

// outboxBuffer is the memory of a block's data. When the block is dropped, another gets it,
// unless somebody was ever given the block, who may be reading it still: on a follower, most
// often nobody was.
type outboxBuffer struct {
	bytes []byte // empty; nil while a block has it
	lent  atomic.Bool
}

// sparesMax bounds the buffers that wait for a block.
const sparesMax = 16

// beginBlock opens a block with room for so many bytes; a new buffer has somewhat more, for
// blocks are not all alike.
func (o *outbox) beginBlock(room int) {
	buffer := new(outboxBuffer)
	if n := len(o.spares); n > 0 {
		buffer, o.spares = o.spares[n-1], o.spares[:n-1]
	}
	if cap(buffer.bytes) < room {
		buffer.bytes = make([]byte, 0, room+room/8)
	}
	o.open, o.openAcked = outboxBlock{data: buffer.bytes, buffer: buffer}, outboxPart{}
	buffer.bytes = nil
}

// endBlock forgets a block, and keeps its buffer for another if it may.
func (o *outbox) endBlock(b *outboxBlock) {
	if b.buffer != nil && !b.buffer.lent.Load() && len(o.spares) < sparesMax {
		b.buffer.bytes = b.data[:0]
		o.spares = append(o.spares, b.buffer)
	}
	*b = outboxBlock{} // whoever still reads it has a copy
}

// lend returns a copy of the block for somebody who may keep it. It may be called by many
// at once, but not beside an endBlock.
func (b *outboxBlock) lend() outboxBlock {
	if b.buffer != nil {
		b.buffer.lent.Store(true)
	}
	return *b
}

func (b *outboxBlock) append(e outboxEntry) {
	begin := len(b.data)
	if begin == 0 {
		b.from = e.time
	}
	b.data = e.append(b.data)
	b.crc = crc32.Update(b.crc, castagnoli, b.data[begin:]) // processors compute it by themselves
	b.last, b.till = e.index, e.time
	b.rows += int64(e.rows)
	b.bytes = int64(len(b.data))
}

func (b *outboxBlock) digest() uint64 {
	return mixAll(b.last, uint64(b.rows), uint64(b.bytes), uint64(b.crc))
}

// read returns the entries' encodings. A file that does not give back what was written
// ends the process: the next start builds it anew.
func (b *outboxBlock) read() []byte {
	if b.data != nil || b.bytes == 0 {
		return b.data
	}
	data := make([]byte, b.bytes)
	if _, err := b.file.ReadAt(data, b.offset); err != nil {
		panic(fmt.Sprintf("fsm: the outbox cannot be read back from disk: %v; a restart builds it anew", err))
	}
	if crc32.Checksum(data, castagnoli) != b.crc {
		panic("fsm: the outbox was damaged on disk; a restart builds it anew")
	}
	return data
}

// outboxEntry is what one entry of the log has for PostgreSQL.
type outboxEntry struct {
	index   uint64
	rows    int
	time    int64  // the machine's time when it was applied, Unix seconds
	records []byte // their encodings, see [AppendRecord]
}

func (e outboxEntry) append(b []byte) []byte {
	for _, v := range [...]uint64{e.index, uint64(e.rows), uint64(e.time), uint64(len(e.records))} {
		b = binary.AppendUvarint(b, v)
	}
	return append(b, e.records...)
}

// outboxEntry reads an entry.
func (d *decoder) outboxEntry() outboxEntry {
	e := outboxEntry{index: d.uvarint(), rows: d.length(1 << 30), time: d.seconds()}
	e.records = d.bytes(d.length(frameBytesMax), frameBytesMax)
	if d.err == nil && e.rows == 0 {
		d.err = errors.New("outbox entry without rows")
	}
	return e
}

// nextOutboxEntry returns the first entry of a block's data and what follows.
func nextOutboxEntry(data []byte) (e outboxEntry, rest []byte) {
	d := decoder{data: data}
	if e = d.outboxEntry(); d.err != nil {
		panic(fmt.Sprintf("fsm: the outbox holds what is no entry: %v", d.err))
	}
	return e, d.data
}

// entriesOf goes through the entries of a block's data.
func entriesOf(data []byte) iter.Seq[outboxEntry] {
	return func(yield func(outboxEntry) bool) {
		for len(data) > 0 {
			var e outboxEntry
			if e, data = nextOutboxEntry(data); !yield(e) {
				return
			}
		}
	}
}
