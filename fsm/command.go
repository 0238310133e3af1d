package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// commandVersion is the first byte of every entry. An entry of another version
// was written by a newer program: a node that meets one must stop, not guess.
const commandVersion = 1

// The kinds of entry. Their values are written to the log: never renumber them.
const (
	kindBatch    = 1
	kindTick     = 2
	kindAck      = 3
	kindSettings = 4
)

// OriginBytesMax bounds the name of an origin: whose it is, and the number of the sender.
const OriginBytesMax = 72

// batchBytesMax bounds the records of one batch, in bytes. It is far above what
// an entry should carry; a snapshot must be able to hold the batch in one frame.
const batchBytesMax = 16 << 20

var errCommand = errors.New("malformed entry")

// Batch is the memberships one origin sends in one piece.
//
// (Origin, Epoch, Sequence) identify it. An origin sends one batch at a time,
// raises Sequence for the next and Epoch when it starts anew, so the pair
// (Epoch, Sequence) only grows: the machine applies a batch when its pair is
// above the last of that origin, answers a repeat of the last from memory, and
// ignores anything older.
type Batch struct {
	Origin   string
	Epoch    uint64
	Sequence uint64
	Count    int    // number of records
	Records  []byte // their encodings, see [AppendRecord]
}

// AppendBatchHeader starts an entry that carries batches. now is the leader's
// clock in Unix seconds, 0 when the leader does not trust its clock.
func AppendBatchHeader(dst []byte, now int64) []byte {
	dst = append(dst, commandVersion, kindBatch)
	return binary.AppendUvarint(dst, uint64(max(now, 0)))
}

// AppendBatch appends one batch: to an entry begun by [AppendBatchHeader], or
// alone, as it travels from the origin to the leader.
func AppendBatch(dst []byte, b Batch) []byte {
	dst = append(dst, byte(len(b.Origin)))
	dst = append(dst, b.Origin...)
	dst = binary.AppendUvarint(dst, b.Epoch)
	dst = binary.AppendUvarint(dst, b.Sequence)
	dst = binary.AppendUvarint(dst, uint64(b.Count))
	dst = binary.AppendUvarint(dst, uint64(len(b.Records)))
	return append(dst, b.Records...)
}

// CheckBatch decodes one whole batch that came from a peer and validates every
// record of it, so that Apply may trust the entry it becomes part of.
func CheckBatch(data []byte) (Batch, error) {
	b, rest, err := nextBatch(data)
	if err != nil {
		return b, err
	}
	if len(rest) != 0 {
		return b, fmt.Errorf("%w: %d bytes after the batch", errCommand, len(rest))
	}
	return b, checkRecords(b.Records, b.Count)
}

func nextBatch(data []byte) (b Batch, rest []byte, err error) {
	d := decoder{data: data}
	b.Origin = string(d.bytes(int(d.byte()), OriginBytesMax))
	b.Epoch = d.uvarint()
	b.Sequence = d.uvarint()
	b.Count = d.length(batchBytesMax)
	b.Records = d.bytes(d.length(batchBytesMax), batchBytesMax)
	if d.err == nil && b.Origin == "" {
		d.err = fmt.Errorf("%w: batch without origin", errCommand)
	}
	return b, d.data, d.err
}

// Tick is the scheduled drain. Scheduled is the instant of the schedule that it
// stands for, in Unix seconds: a tick proposed late drains no more than one
// proposed on time.
type Tick struct {
	Now       int64 // the leader's clock, Unix seconds
	Scheduled int64
}

// AppendTick appends the entry of a tick.
func AppendTick(dst []byte, t Tick) []byte {
	dst = append(dst, commandVersion, kindTick)
	dst = binary.AppendUvarint(dst, uint64(max(t.Now, 0)))
	return binary.AppendUvarint(dst, uint64(max(t.Scheduled, 0)))
}

// AppendAck appends the entry that acknowledges the outbox up to and including
// index: PostgreSQL has it.
func AppendAck(dst []byte, index uint64) []byte {
	dst = append(dst, commandVersion, kindAck)
	return binary.AppendUvarint(dst, index)
}

// Settings are the limits that Apply uses. They are replicated, because a limit
// read from a file could differ between replicas.
type Settings struct {
	Revision       uint64 // an entry with a lower or equal revision changes nothing
	SegmentsMax    uint64 // segments that may exist in this shard
	OutboxBytesMax uint64 // 0: nothing is copied to PostgreSQL, the outbox stays empty
	HistoryPoints  uint64 // ticks whose counts are kept

	// Of what PostgreSQL has the outbox keeps so much and for so long, should PostgreSQL
	// be set back: whichever is less.
	OutboxWindowBytesMax uint64
	OutboxWindowSeconds  uint64 // 0: however long
}

// AppendSettings appends the entry that changes the settings.
func AppendSettings(dst []byte, s Settings) []byte {
	dst = append(dst, commandVersion, kindSettings)
	return s.append(dst)
}

func (s Settings) append(dst []byte) []byte {
	for _, v := range [...]uint64{s.Revision, s.SegmentsMax, s.OutboxBytesMax, s.HistoryPoints} {
		dst = binary.AppendUvarint(dst, v)
	}
	// The last came later: without them, entries are as they were.
	if s.OutboxWindowBytesMax > 0 || s.OutboxWindowSeconds > 0 {
		dst = binary.AppendUvarint(dst, s.OutboxWindowBytesMax)
	}
	if s.OutboxWindowSeconds > 0 {
		dst = binary.AppendUvarint(dst, s.OutboxWindowSeconds)
	}
	return dst
}

// settings reads them to the end of the data.
func (d *decoder) settings() (s Settings) {
	for _, v := range [...]*uint64{&s.Revision, &s.SegmentsMax, &s.OutboxBytesMax, &s.HistoryPoints} {
		*v = d.uvarint()
	}
	if len(d.data) > 0 {
		s.OutboxWindowBytesMax = d.uvarint()
	}
	if len(d.data) > 0 {
		s.OutboxWindowSeconds = d.uvarint()
	}
	return s
}

// decoder reads fields until the first error, which it keeps.
type decoder struct {
	data []byte
	err  error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", errCommand, what)
	}
	d.data = nil
}

func (d *decoder) byte() byte {
	if len(d.data) == 0 {
		d.fail("ends early")
		return 0
	}
	b := d.data[0]
	d.data = d.data[1:]
	return b
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.data)
	if n <= 0 {
		d.fail("number")
		return 0
	}
	d.data = d.data[n:]
	return v
}

// seconds reads an instant or a bucket number that must fit an int64.
func (d *decoder) seconds() int64 {
	v := d.uvarint()
	if v > 1<<62 {
		d.fail("instant out of range")
		return 0
	}
	return int64(v)
}

func (d *decoder) uint64() uint64 {
	b := d.bytes(8, 8)
	if d.err != nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

func (d *decoder) length(most int) int {
	v := d.uvarint()
	if v > uint64(most) {
		d.fail("length out of range")
		return 0
	}
	return int(v)
}

func (d *decoder) bytes(n, most int) []byte {
	if n > most || n > len(d.data) {
		d.fail("ends early")
		return nil
	}
	b := d.data[:n:n]
	d.data = d.data[n:]
	return b
}

func (d *decoder) end() error {
	if d.err == nil && len(d.data) != 0 {
		d.fail("trailing bytes")
	}
	return d.err
}
