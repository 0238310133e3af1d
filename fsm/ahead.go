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
const aheadRecords = 16

// upcoming is a record that is about to be applied.
type upcoming struct {
	record  Record
	encoded []byte
	key     table.Key
	bucket  uint32      // in which a put is to end
	inReach bool        // a table can hold it
	segment *segment    // with that title when it was looked at, nil: none
	to      tally.Probe // of bucket

	spot table.Spot  // of the key in the segment; none if that is nil
	live bool        // it is held, above the watermark: a drained slot may go to another user
	from tally.Probe // of the bucket in which it is held, if it is live
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
		u.bucket, u.inReach = st.bucketOf(u.record.Expiry)
		u.key = st.keyOf(u.record.ID)
		u.segment = st.segments[string(u.record.Segment)]
		if u.segment != nil {
			u.segment.table.Prefetch(u.key)
		}
	}
	for i := range next {
		u := &next[i]
		if u.segment == nil {
			u.spot = table.Spot{}
		} else {
			u.spot.Piece(&u.segment.table, st.tables, u.key)
		}
	}
	for i := range next {
		u := &next[i]
		u.spot.Lines(st.tables, u.key)
		u.to, u.from = tally.Probe{}, tally.Probe{}
		if u.segment != nil && u.record.Op == OpPut {
			u.to.Cell(&u.segment.tally, st.tallies, u.bucket)
			st.sums.prefetch(u.bucket)
		}
	}
	for i := range next {
		u := &next[i]
		u.to.Number(st.tallies)
		if u.segment != nil {
			u.spot.Find(u.key)
			u.live = false
			if bucket := u.spot.Bucket(); bucket > st.watermark {
				u.live = true
				u.from.Cell(&u.segment.tally, st.tallies, bucket)
				st.sums.prefetch(bucket)
			} else if u.record.Op == OpPut && !u.spot.Held() {
				u.spot.Room(st.tables)
			}
		}
	}
	for i := range next {
		next[i].from.Number(st.tallies)
	}
	st.written = userFilter{}
	return next, data, nil
}

// find returns the segment of a record, and the bucket in which the user is in it: nil
// if there is no such segment, 0 if there is none above the watermark. The spot is
// where that is, or would be.
//
// What was found ahead still holds, unless a record since then was of the same user,
// or has moved the user's slot, or has ended or begun the segment.
func (st *state) find(u *upcoming) (s *segment, bucket uint32) {
	s = u.segment
	if s == nil || st.numbered[s.table.Owner] != s {
		u.to, u.from = tally.Probe{}, tally.Probe{}
		if s = st.segments[string(u.record.Segment)]; s == nil {
			u.spot = table.Spot{}
			return nil, 0
		}
		u.spot = s.table.Find(st.tables, u.key)
	} else if st.written.has(u.key) || u.spot.Held() && (!u.live || u.spot.Moved(st.tables)) {
		u.spot.FindAgain(&s.table, st.tables, u.key)
	}
	if b := u.spot.Bucket(); b > st.watermark {
		return s, b
	}
	return s, 0
}

// userFilter is a set of users, and of some others: a Bloom filter with one bit for each.
type userFilter [4]uint64

func (f *userFilter) add(k table.Key) { f[k.Lo>>6&3] |= 1 << (k.Lo & 63) }

func (f *userFilter) has(k table.Key) bool { return f[k.Lo>>6&3]>>(k.Lo&63)&1 != 0 }
