package fsm_test

import (
	"fmt"
	"strings"

	"headcount/fsm"
)

// entry is one entry of the log in the words of the domain: batches, a tick, an
// acknowledgement or settings.
type entry interface{ encode() []byte }

// batches is the entry into which a leader merges what several origins sent.
type batches struct {
	now  int64 // the leader's clock, 0 when it does not trust it
	list []batch
}

type batch struct {
	origin   string
	epoch    uint64
	sequence uint64
	records  []fsm.Record
}

// String tells a batch in a failure report.
func (b batch) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %d.%d:", b.origin, b.epoch, b.sequence)
	for _, r := range b.records {
		switch r.Op {
		case fsm.OpPut:
			fmt.Fprintf(&s, " %s in %.8s until %d,", r.ID, r.Segment, r.Expiry)
		case fsm.OpDelete:
			fmt.Fprintf(&s, " %s out of %.8s,", r.ID, r.Segment)
		default:
			fmt.Fprintf(&s, " erase %s,", r.ID)
		}
	}
	return s.String()
}

func (e batches) String() string { return fmt.Sprintf("at %d %v", e.now, e.list) }

type (
	tick     fsm.Tick
	ack      uint64
	settings fsm.Settings
)

func put(id, segment string, expiry int64) fsm.Record {
	return fsm.Record{Op: fsm.OpPut, Expiry: expiry, ID: []byte(id), Segment: []byte(segment)}
}

func remove(id, segment string) fsm.Record {
	return fsm.Record{Op: fsm.OpDelete, ID: []byte(id), Segment: []byte(segment)}
}

func erase(id string) fsm.Record {
	return fsm.Record{Op: fsm.OpErase, ID: []byte(id)}
}

func encodeRecords(records []fsm.Record) []byte {
	var data []byte
	for _, r := range records {
		data = fsm.AppendRecord(data, r)
	}
	return data
}

func (b batch) encode() []byte {
	return fsm.AppendBatch(nil, fsm.Batch{
		Origin:   b.origin,
		Epoch:    b.epoch,
		Sequence: b.sequence,
		Count:    len(b.records),
		Records:  encodeRecords(b.records),
	})
}

func (e batches) encode() []byte {
	data := fsm.AppendBatchHeader(nil, e.now)
	for _, b := range e.list {
		data = append(data, b.encode()...)
	}
	return data
}

func (e tick) encode() []byte     { return fsm.AppendTick(nil, fsm.Tick(e)) }
func (e ack) encode() []byte      { return fsm.AppendAck(nil, uint64(e)) }
func (e settings) encode() []byte { return fsm.AppendSettings(nil, fsm.Settings(e)) }
