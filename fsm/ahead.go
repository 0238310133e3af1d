package fsm

import (
	"fmt"

	"headcount/fsm/internal/table"
	"headcount/fsm/internal/tally"
)

// aheadRecords is how many records of a batch are looked at before the first of them
// is applied. What they need is in a hundred places of memory, each of which takes as
// long to read as everything else that a record costs; together they take little
// longer than one.
const aheadRecords = 32

// upcoming is a record that is about to be applied.
type upcoming struct {
	record  Record
	encoded []byte
	key     table.Key
	segment *segment // with that title when it was looked at, nil: none
	probe   table.Probe
	tally   tally.Probe

	spot table.Spot // where the key was in the segment
	live bool       // and above the watermark: a drained slot may go to another user
}

// lookAhead decodes the next records, at most aheadRecords of count, and sees to it
// that what they need is in the processor's cache. It returns them and what follows.
func (st *state) lookAhead(data []byte, count int) (next []upcoming, rest []byte, err error) {
	next = st.ahead[:min(count, aheadRecords)]
	for i := range next {
		u := &next[i]
		if u.record, rest, err = NextRecord(data); err != nil {
			return nil, nil, fmt.Errorf("record %d: %w", i, err)
		}
		u.encoded, data = data[:len(data)-len(rest)], rest
		u.key = st.keyOf(u.record.ID)
		u.segment = st.segments[string(u.record.Segment)]
		u.probe = table.Probe{}
		if u.segment != nil {
			u.probe.Piece(&u.segment.table, st.tables, u.key)
		}
	}
	touched := uint64(0)
	for i := range next {
		u := &next[i]
		u.probe.Lines(st.tables, u.key)
		u.tally = tally.Probe{}
		if u.segment != nil && u.record.Op == OpPut {
			bucket, _ := st.bucketOf(u.record.Expiry)
			u.tally.Cell(&u.segment.tally, st.tallies, bucket)
			touched ^= st.sums.touch(bucket)
		}
	}
	for i := range next {
		touched ^= next[i].probe.Touch() ^ next[i].tally.TouchCell()
	}
	for i := range next {
		u := &next[i]
		touched ^= u.tally.Touch(st.tallies)
		u.tally = tally.Probe{}
		if u.segment != nil {
			u.spot = u.segment.table.Find(st.tables, u.key)
			u.live = false
			if bucket := u.spot.Bucket(); bucket > st.watermark {
				u.live = true
				u.tally.Cell(&u.segment.tally, st.tallies, bucket)
				touched ^= st.sums.touch(bucket)
			} else if u.record.Op == OpPut && !u.spot.Held() {
				touched ^= u.probe.TouchRoom(st.tables, u.key)
			}
		}
	}
	for i := range next {
		touched ^= next[i].tally.TouchCell()
	}
	for i := range next {
		touched ^= next[i].tally.Touch(st.tallies)
	}
	st.touched = touched
	st.written = 0
	return next, data, nil
}

// find returns the segment of a record, where the user is in it, and in which bucket:
// nil if there is no such segment, bucket 0 if there is none above the watermark.
//
// What was found ahead still holds, unless a record since then was of the same user,
// or has moved the user's slot, or has ended or begun the segment.
func (st *state) find(u *upcoming) (s *segment, spot table.Spot, bucket uint32) {
	s = u.segment
	if s == nil || st.numbered[s.table.Owner] != s {
		if s = st.segments[string(u.record.Segment)]; s == nil {
			return nil, spot, 0
		}
		spot = s.table.Find(st.tables, u.key)
	} else if st.written&userBit(u.key) != 0 || u.spot.Held() && (!u.live || u.spot.Moved(st.tables)) {
		spot = s.table.Find(st.tables, u.key)
	} else {
		spot = u.spot
	}
	if b := spot.Bucket(); b > st.watermark {
		return s, spot, b
	}
	return s, spot, 0
}

// userBit is the bit in [state.written] of a user, and of some others.
func userBit(k table.Key) uint64 { return 1 << (k.Lo & 63) }
