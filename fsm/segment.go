package fsm

// segment is a named set of users of this shard.
type segment struct {
	title string
	seed  uint64 // hash of the title, for the digest
	table table

	stored int64 // memberships in buckets above the watermark
	live   int64 // memberships in buckets above the horizon: the count to read

	reclaiming bool // is in the queue of [state.reclaimStep]
}

// cell is what one segment has in one bucket.
type cell struct {
	count int64
	sum   uint64 // Σ of the memberships' digests, modulo 2⁶⁴
}

// buckets counts memberships by (bucket, segment).
type buckets map[uint32]map[*segment]cell

func (b buckets) add(bucket uint32, s *segment, count int64, sum uint64) {
	cells := b[bucket]
	if cells == nil {
		cells = make(map[*segment]cell)
		b[bucket] = cells
	}
	c := cells[s]
	c.count += count
	c.sum += sum
	if c.count != 0 {
		cells[s] = c
		return
	}
	delete(cells, s)
	if len(cells) == 0 {
		delete(b, bucket)
	}
}

// between calls visit for each bucket in (low, high] that holds anything.
func (b buckets) between(low, high uint32, visit func(bucket uint32, cells map[*segment]cell)) {
	if uint64(high)-uint64(low) > uint64(len(b)) {
		for bucket, cells := range b {
			if low < bucket && bucket <= high {
				visit(bucket, cells)
			}
		}
		return
	}
	for bucket := low; bucket < high; {
		bucket++
		if cells, ok := b[bucket]; ok {
			visit(bucket, cells)
		}
	}
}

// hold records a membership of s that was not stored before.
func (st *state) hold(s *segment, k userKey, bucket uint32) {
	s.table.put(k, bucket, st.freeze)
	st.count(s, k, bucket, 1)
}

// move records that a stored membership of s now ends in another bucket.
func (st *state) move(s *segment, k userKey, from, to uint32) {
	st.count(s, k, from, -1)
	s.table.put(k, to, st.freeze)
	st.count(s, k, to, 1)
}

// end forgets a stored membership, and its segment if that was the last one.
func (st *state) end(s *segment, k userKey, bucket uint32) {
	s.table.remove(k, st.freeze)
	st.count(s, k, bucket, -1)
	if s.stored == 0 {
		delete(st.segments, s.title)
	}
}

func (st *state) count(s *segment, k userKey, bucket uint32, n int64) {
	sum := membershipDigest(s.seed, k, bucket) * uint64(n)
	st.buckets.add(bucket, s, n, sum)
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
	st.segments[title] = s
	return s
}

// advance moves the horizon, so that every segment's live count leaves out what
// has expired by now. The horizon is the reader's, not part of the replicated
// state: a reader whose clock is ahead reads fewer, and changes nothing.
func (st *state) advance(horizon uint32) {
	if horizon <= st.horizon {
		return
	}
	st.buckets.between(st.horizon, horizon, func(_ uint32, cells map[*segment]cell) {
		for s, c := range cells {
			s.live -= c.count
		}
	})
	st.horizon = horizon
}

// drain moves the watermark: the buckets up to it are subtracted whole. The slots
// of their users are reclaimed later, a piece at a time.
func (st *state) drain(watermark uint32) {
	if watermark <= st.watermark {
		return
	}
	st.advance(watermark)
	drained := make(map[*segment]struct{})
	st.buckets.between(st.watermark, watermark, func(bucket uint32, cells map[*segment]cell) {
		for s, c := range cells {
			s.stored -= c.count
			st.members -= c.count
			st.memberSum -= c.sum
			drained[s] = struct{}{}
		}
		delete(st.buckets, bucket)
	})
	st.watermark = watermark
	for s := range drained {
		switch {
		case s.stored == 0:
			delete(st.segments, s.title)
		case !s.reclaiming:
			s.reclaiming = true
			st.reclaim = append(st.reclaim, reclaim{segment: s, watermark: watermark})
		}
	}
}

// reclaim is a sweep of one segment for drained slots.
type reclaim struct {
	segment   *segment
	piece     int    // the next to sweep
	watermark uint32 // when the sweep began
}

// reclaimSlots is how many slots one entry visits to free the drained ones, to the
// end of the piece in which it gets there.
const reclaimSlots = 4096

// reclaimStep frees the drained slots of the next few pieces. It rests while a
// snapshot is held, where it would only copy pieces to shrink them.
func (st *state) reclaimStep() {
	if st.freeze.held > 0 {
		return
	}
	for visited := 0; len(st.reclaim) > 0 && visited < reclaimSlots; {
		r := &st.reclaim[0]
		gone := st.segments[r.segment.title] != r.segment
		if !gone {
			visited += 1 + r.segment.table.sweep(r.piece, st.watermark, st.freeze)
			r.piece++
		}
		if gone || r.piece == tablePieces {
			st.finishReclaim(gone)
		}
	}
}

// finishReclaim takes the first segment off the queue. It goes to the end of it if
// the watermark has moved since, so that frequent ticks starve no segment.
func (st *state) finishReclaim(gone bool) {
	r := st.reclaim[0]
	st.reclaim[0] = reclaim{}
	st.reclaim = st.reclaim[1:]
	if !gone && r.watermark < st.watermark {
		st.reclaim = append(st.reclaim, reclaim{segment: r.segment, watermark: st.watermark})
		return
	}
	r.segment.reclaiming = false
}
