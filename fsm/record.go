package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// NameBytesMax bounds user IDs and segment titles, in bytes.
const NameBytesMax = 128

// Op says what a record asks for.
type Op uint8

// The ops. Their values are written to the log: never renumber them.
const (
	OpPut    Op = 1 // hold the membership until Expiry, or later if it already is
	OpDelete Op = 2 // end one membership
	OpErase  Op = 3 // end every membership of the user
)

// Record is one requested change. ID and Segment alias the buffer they were
// decoded from.
type Record struct {
	Op      Op
	Expiry  int64 // Unix seconds, >= 0; puts only
	ID      []byte
	Segment []byte // empty for an erase
}

var errRecord = errors.New("malformed record")

// AppendRecord appends the record's encoding to dst. The caller has checked the
// lengths against [NameBytesMax] and the expiry against zero.
func AppendRecord(dst []byte, r Record) []byte {
	dst = append(dst, byte(r.Op))
	if r.Op == OpPut {
		dst = binary.AppendUvarint(dst, uint64(r.Expiry))
	}
	dst = append(dst, byte(len(r.ID)))
	dst = append(dst, r.ID...)
	if r.Op != OpErase {
		dst = append(dst, byte(len(r.Segment)))
		dst = append(dst, r.Segment...)
	}
	return dst
}

// NextRecord decodes the first record of data and returns what follows it.
func NextRecord(data []byte) (r Record, rest []byte, err error) {
	if len(data) == 0 {
		return r, nil, errRecord
	}
	r.Op, data = Op(data[0]), data[1:]
	if r.Op < OpPut || r.Op > OpErase {
		return r, nil, fmt.Errorf("%w: unknown op %d", errRecord, r.Op)
	}
	if r.Op == OpPut {
		expiry, n := binary.Uvarint(data)
		if n <= 0 || expiry > 1<<62 {
			return r, nil, fmt.Errorf("%w: expiry", errRecord)
		}
		r.Expiry, data = int64(expiry), data[n:]
	}
	if r.ID, data, err = nextName(data); err != nil {
		return r, nil, err
	}
	if r.Op != OpErase {
		if r.Segment, data, err = nextName(data); err != nil {
			return r, nil, err
		}
	}
	return r, data, nil
}

func nextName(data []byte) (name, rest []byte, err error) {
	if len(data) == 0 {
		return nil, nil, errRecord
	}
	n := int(data[0])
	if n == 0 || n > NameBytesMax || n > len(data)-1 {
		return nil, nil, fmt.Errorf("%w: name of %d bytes", errRecord, n)
	}
	return data[1 : 1+n : 1+n], data[1+n:], nil
}

// checkRecords reports whether data is exactly count well-formed records.
func checkRecords(data []byte, count int) error {
	for range count {
		_, rest, err := NextRecord(data)
		if err != nil {
			return err
		}
		data = rest
	}
	if len(data) != 0 {
		return fmt.Errorf("%w: %d bytes after the last record", errRecord, len(data))
	}
	return nil
}
