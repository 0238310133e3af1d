package fsm

import "headcount/fsm/internal/table"

// reclaimSlots is how many slots one entry visits to free the drained ones, to the
// end of the piece in which it gets there.
const reclaimSlots = 4096

// reclaims is the memory that waits to be given back.
type reclaims struct {
	sweeps  []sweep       // at most one per segment, oldest first
	dropped []table.Table // of segments that are gone
	from    uint64        // how far the first of dropped is freed
}

// sweep is a pass over one segment for drained slots.
type sweep struct {
	segment   *segment
	from      uint64 // where it goes on
	watermark uint32 // when it began
}

// reclaimStep gives back the memory of the next few pieces. It rests while a snapshot is
// held: it would only copy pieces to shrink them.
func (st *state) reclaimStep() {
	if st.tables.Viewed() {
		return
	}
	r := &st.reclaims
	for visited := 0; visited < reclaimSlots; {
		var n int
		switch {
		case len(r.dropped) > 0:
			n = st.dropStep()
		case len(r.sweeps) > 0:
			n = st.sweepStep()
		default:
			return
		}
		visited += n
	}
}

func (st *state) dropStep() (visited int) {
	r := &st.reclaims
	r.from, visited = r.dropped[0].Drop(st.tables, r.from)
	if r.from == 0 {
		r.dropped[0] = table.Table{}
		if r.dropped = r.dropped[1:]; len(r.dropped) == 0 {
			r.dropped = nil
		}
	}
	return visited
}

// sweepStep sweeps a piece. A segment goes to the end of the queue if the watermark
// has moved since its sweep began, so that frequent ticks starve none.
func (st *state) sweepStep() (visited int) {
	r := &st.reclaims
	first := &r.sweeps[0]
	s := first.segment
	gone := st.segments[s.title] != s
	if !gone {
		first.from, visited = s.table.Sweep(st.tables, first.from, st.watermark)
	}
	if !gone && first.from != 0 {
		return visited
	}
	again := !gone && first.watermark < st.watermark
	r.sweeps[0] = sweep{}
	r.sweeps = r.sweeps[1:]
	if again {
		r.sweeps = append(r.sweeps, sweep{segment: s, watermark: st.watermark})
	}
	s.reclaiming = again
	return visited + 1
}
