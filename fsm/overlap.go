package fsm

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"

	"headcount/fsm/internal/table"
)

// OverlapTitlesMax bounds the segments of one [Machine.Overlap].
const OverlapTitlesMax = 8

// ErrOverlapBusy says that too much was written while an overlap was counted to keep
// the bound of its memory. Nothing is wrong: try again.
var ErrOverlapBusy = errors.New("too much is being written to count an overlap now")

// Overlap is how much of some segments is the same users, all of it as it was
// together at one index.
type Overlap struct {
	Index        uint64
	Segments     []int64 // the size of each, in the order of the titles
	Intersection int64   // users who are in all of them
	Union        int64   // users who are in any of them
}

// Overlap counts, among the live memberships at now (Unix seconds) of 2 to
// [OverlapTitlesMax] distinct segments, as they are together at one index, without
// holding up Apply. A segment that does not exist is empty. A now before one given
// earlier reads as that one.
//
// It returns ctx's error soon after ctx ends, and may return [ErrOverlapBusy].
func (m *Machine) Overlap(ctx context.Context, now int64, titles []string) (Overlap, error) {
	h := m.holdOverlap(now, titles)
	defer h.release()
	for ctx.Err() == nil {
		if h.part >= len(h.parts) {
			return h.result, nil
		}
		if !h.step() {
			return Overlap{}, ErrOverlapBusy
		}
		runtime.Gosched() // as Persist does
	}
	return Overlap{}, ctx.Err()
}

const (
	// overlapBytesMax bounds what one overlap copies of what is written meanwhile.
	overlapBytesMax = 64 << 20
	// overlapStepMembers is how many memberships are looked up, at least, while the
	// machine's lock is held, shared: some 200 µs.
	overlapStepMembers = 1 << 10
)

// heldOverlap is the tables of some segments, held still by a view.
//
// A user of one table is looked up in all larger ones. So the largest is never gone
// through, and of the union there is one user for whoever is in none that is larger.
type heldOverlap struct {
	machine *Machine
	view    *table.View
	horizon uint32
	parts   []overlapPart // of the segments that exist, largest first
	members []table.Membership
	result  Overlap

	part int    // the one that is gone through: all before it are larger
	from uint64 // where in it to go on
	all  bool   // there is a table for every title
}

type overlapPart struct {
	still *table.Still
	live  int64
}

func (m *Machine) holdOverlap(now int64, titles []string) *heldOverlap {
	m.mu.Lock()
	defer m.mu.Unlock()
	st := m.mu.state
	st.moveHorizon(st.horizonAt(now))
	h := &heldOverlap{machine: m, horizon: st.horizon, result: Overlap{Index: st.index, Segments: make([]int64, len(titles))}}
	owners := make(map[uint32]bool)
	h.view = st.tables.Open(owners, overlapBytesMax)
	for i, title := range titles {
		if s := st.segments[title]; s != nil {
			owners[s.table.Owner] = true
			h.result.Segments[i] = s.live
			h.parts = append(h.parts, overlapPart{h.view.Still(&s.table), s.live})
		}
	}
	h.all = len(h.parts) == len(titles)
	slices.SortStableFunc(h.parts, func(a, b overlapPart) int { return cmp.Compare(b.live, a.live) })
	if len(h.parts) > 0 {
		h.result.Union = h.parts[0].live
		h.part = 1
	}
	return h
}

func (h *heldOverlap) release() {
	h.machine.mu.Lock()
	defer h.machine.mu.Unlock()
	h.view.Close()
}

// step counts the next memberships. It fails when too much has been written.
func (h *heldOverlap) step() bool {
	h.machine.mu.RLock()
	defer h.machine.mu.RUnlock()
	if h.view.Lost() {
		return false
	}
	for done := 0; done < overlapStepMembers && h.part < len(h.parts); {
		h.members, h.from = h.parts[h.part].still.Piece(h.from, h.members[:0])
		for _, x := range h.members {
			if x.Bucket > h.horizon {
				h.count(x.Key)
			}
		}
		done += len(h.members) + 1
		if h.from == 0 {
			h.part++
		}
	}
	return true
}

// count looks a user of the present table up in all larger ones.
func (h *heldOverlap) count(k table.Key) {
	in := 0
	for _, larger := range h.parts[:h.part] {
		if larger.still.Find(k) > h.horizon {
			in++
		}
	}
	if in == 0 {
		h.result.Union++
	}
	if h.all && in == len(h.parts)-1 {
		h.result.Intersection++
	}
}
