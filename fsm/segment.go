package fsm

import (
	"headcount/fsm/internal/table"
	"headcount/fsm/internal/tally"
)

// segment is a named set of users of this shard.
type segment struct {
	title string
	seed  uint64 // hash of the title, for the digest
	table table.Table
	tally tally.Tally // of the memberships above the watermark

	stored int64 // memberships in buckets above the watermark
	live   int64 // memberships in buckets above the horizon: the count to read

	reclaiming bool // is in the queue of [state.reclaimStep]
}

// hold records a membership of s that was not stored. The spot is where its key is
// nevertheless, if it is drained. It fails only if the key is no hash.
func (st *state) hold(s *segment, u *upcoming) bool {
	if u.spot.Held() {
		if !s.table.Move(st.tables, &u.spot, u.bucket, st.watermark) {
			return false
		}
	} else if !s.table.Insert(st.tables, &u.spot, u.key, u.bucket, st.watermark) {
		return false
	}
	st.count(s, u.key, u.bucket, 1, &u.to)
	return true
}

// move records that a stored membership of s now ends in another bucket.
func (st *state) move(s *segment, u *upcoming, stored uint32) {
	st.count(s, u.key, stored, -1, &u.from)
	if !s.table.Move(st.tables, &u.spot, u.bucket, st.watermark) {
		panic("fsm: a table has no place for a key")
	}
	st.count(s, u.key, u.bucket, 1, &u.to)
}

// end forgets a stored membership, and its segment if that was the last one.
func (st *state) end(s *segment, spot *table.Spot, k table.Key, bucket uint32, from *tally.Probe) {
	s.table.Remove(st.tables, spot)
	st.count(s, k, bucket, -1, from)
	if s.stored == 0 {
		st.dropSegment(s)
	}
}

// count adds a membership to everything that is counted, or takes it away. The bucket may
// have been probed.
func (st *state) count(s *segment, k table.Key, bucket uint32, n int64, at *tally.Probe) {
	st.written.add(k)
	if n > 0 {
		at.Add(&s.tally, st.tallies, bucket)
	} else {
		at.Remove(&s.tally, st.tallies, bucket)
	}
	sum := membershipDigest(s.seed, k, bucket) * uint64(n)
	st.sums.add(bucket, sum)
	st.memberSum += sum
	st.members += n
	s.stored += n
	if bucket > st.horizon {
		s.live += n
	}
}

// segmentFor finds the segment with this title, or makes it. It returns nil when
// one more would exceed the limit.
func (st *state) segmentFor(title []byte) *segment {
	if s, ok := st.segments[string(title)]; ok {
		return s
	}
	if uint64(len(st.segments)) >= st.settings.SegmentsMax {
		return nil
	}
	return st.addSegment(string(title))
}

func (st *state) addSegment(title string) *segment {
	s := &segment{title: title, seed: titleDigest(title)}
	if n := len(st.freeNumbers); n > 0 {
		s.table.Owner, st.freeNumbers = st.freeNumbers[n-1], st.freeNumbers[:n-1]
		st.numbered[s.table.Owner] = s
	} else {
		s.table.Owner = uint32(len(st.numbered))
		st.numbered = append(st.numbered, s)
	}
	st.segments[title] = s
	return s
}

// dropSegment forgets a segment without memberships. Its number may go to another
// while its pieces wait to be freed: all that is in them is drained or removed.
func (st *state) dropSegment(s *segment) {
	delete(st.segments, s.title)
	s.tally.Clear(st.tallies)
	st.numbered[s.table.Owner] = nil
	st.freeNumbers = append(st.freeNumbers, s.table.Owner)
	if s.table.Small() {
		// One entry may end more of these than reclaimStep frees after it.
		s.table.Drop(st.tables, 0)
	} else {
		st.reclaims.dropped = append(st.reclaims.dropped, s.table)
	}
	s.table = table.Table{}
}

// moveHorizon moves the horizon, so that every segment's live count leaves out what
// has expired by then, and nothing else. The horizon is the reader's, not part of
// the replicated state: a reader whose clock is ahead reads fewer, and changes
// nothing. It is never below the watermark.
func (st *state) moveHorizon(horizon uint32) {
	if horizon == st.horizon {
		return
	}
	for _, s := range st.segments {
		if horizon > st.horizon {
			s.live -= s.tally.Sum(st.tallies, st.horizon, horizon)
		} else {
			s.live += s.tally.Sum(st.tallies, horizon, st.horizon)
		}
	}
	st.horizon = horizon
}

// drain moves the watermark: the buckets up to it are subtracted whole, whoever is
// in them. The slots of their users are reclaimed later, a piece at a time.
func (st *state) drain(watermark uint32) {
	if watermark <= st.watermark {
		return
	}
	if st.horizon < watermark {
		st.moveHorizon(watermark)
	}
	st.watermark = watermark
	st.memberSum -= st.sums.drop(watermark)
	for _, s := range st.segments {
		n := s.tally.Drop(st.tallies, watermark)
		s.stored -= n
		st.members -= n
		switch {
		case s.stored == 0:
			st.dropSegment(s)
		case n > 0 && !s.reclaiming:
			s.reclaiming = true
			st.reclaims.sweeps = append(st.reclaims.sweeps, sweep{segment: s, watermark: watermark})
		}
	}
}
