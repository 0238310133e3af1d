package fsm

import (
	"context"
	"errors"
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
	held := m.holdOverlap(now, titles)
	defer held.release()
	o := Overlap{Index: held.index, Segments: make([]int64, len(titles))}
	for i := range tablePieces {
		if err := ctx.Err(); err != nil {
			return Overlap{}, err
		}
		held.count(i, &o)
	}
	return o, nil
}

// heldOverlap is the tables of some segments, held still as a snapshot holds them.
type heldOverlap struct {
	machine *Machine
	state   *state // whose pieces are frozen, under the machine's lock
	index   uint64
	horizon uint32
	tables  [][tablePieces]*piece // of a segment that does not exist: empty
}

func (m *Machine) holdOverlap(now int64, titles []string) *heldOverlap {
	m.advance(now)
	m.mu.Lock()
	defer m.mu.Unlock()
	st := m.mu.state
	st.freeze.epoch++
	st.freeze.held++
	h := &heldOverlap{machine: m, state: st, index: st.index, horizon: st.horizon}
	h.tables = make([][tablePieces]*piece, len(titles))
	for i, title := range titles {
		if s := st.segments[title]; s != nil {
			h.tables[i] = s.table.pieces
		}
	}
	return h
}

func (h *heldOverlap) release() {
	h.machine.mu.Lock()
	defer h.machine.mu.Unlock()
	h.state.freeze.held--
}

// count adds the users of piece i. A user is in the same piece of every table.
func (h *heldOverlap) count(i int, o *Overlap) {
	in := make(map[userKey]int)
	for t := range h.tables {
		if h.tables[t][i] == nil {
			continue
		}
		for k, bucket := range h.tables[t][i].slots {
			if bucket > h.horizon {
				o.Segments[t]++
				in[k]++
			}
		}
	}
	o.Union += int64(len(in))
	for _, n := range in {
		if n == len(h.tables) {
			o.Intersection++
		}
	}
}
