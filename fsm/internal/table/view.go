package table

// View is what was in the tables when it was opened. It costs nothing to open: a
// piece that is about to be written is first copied for the views that have not read
// it yet, and none need be copied once they have.
//
// One goroutine reads it: everything once, with [View.Read], or by key, with [Still].
// It holds the lock shared while it does, and exclusively to open and to close it.
//
// Invariant: a piece that the view includes is as it was, or its copy is in saved,
// unless it has been read.
type View struct {
	memory *Memory
	epoch  uint32
	owners map[uint32]bool // nil: every table
	end    uint32          // pieces from here on did not exist
	next   uint32          // pieces below it have been read; see Read

	saved      []*saved // copies that the reader has not taken yet
	savedBytes int
	bytesMax   int // of saved; a view that would need more is lost, 0: no bound
	lost       bool
	spare      []*saved          // to be used again
	taken      map[uint32]*saved // by number; see Still
}

// saved is a copy of a piece.
type saved struct {
	number uint32
	piece  piece
	lines  []line
}

// spareMax is how many copies are kept to be used again.
const spareMax = 64

// Open opens a view of the tables of these owners, nil: of all tables. If copies for
// it would take more than bytesMax, the view is lost; 0 is no bound.
func (m *Memory) Open(owners map[uint32]bool, bytesMax int) *View {
	m.epoch++
	v := &View{memory: m, epoch: m.epoch, owners: owners, end: m.pieces.End(), next: 1, bytesMax: bytesMax}
	m.views = append(m.views, v)
	m.viewed = m.epoch
	return v
}

// Close ends the view. A view may be closed twice.
func (v *View) Close() {
	m := v.memory
	m.viewed = 0
	open := m.views[:0]
	for _, w := range m.views {
		if w != v {
			open = append(open, w)
			m.viewed = w.epoch
		}
	}
	clear(m.views[len(open):])
	m.views = open
	v.saved, v.spare, v.taken = nil, nil, nil
}

// Lost reports whether the bound was passed: then there is nothing more to be read.
func (v *View) Lost() bool { return v.lost }

// Viewed reports whether any view is open.
func (m *Memory) Viewed() bool { return m.viewed != 0 }

// writable must be called before a piece is written or freed.
func (m *Memory) writable(number uint32, p *piece) {
	if p.epoch < m.viewed {
		m.save(number, p)
	}
}

// save copies a piece for every open view that includes it and has not read it.
func (m *Memory) save(number uint32, p *piece) {
	for _, v := range m.views {
		if p.epoch < v.epoch && number >= v.next && number < v.end && !v.lost && (v.owners == nil || v.owners[p.owner]) {
			v.save(number, p)
		}
	}
	p.epoch = m.epoch
}

func (v *View) save(number uint32, p *piece) {
	lines := int(p.lines())
	v.savedBytes += lines * 64
	if v.bytesMax > 0 && v.savedBytes > v.bytesMax {
		v.lost, v.saved = true, nil
		return
	}
	var s *saved
	if n := len(v.spare); n > 0 {
		s, v.spare = v.spare[n-1], v.spare[:n-1]
	} else {
		s = new(saved)
	}
	s.number, s.piece, s.lines = number, *p, s.lines[:0]
	for i := range p.pages {
		s.lines = append(s.lines, v.memory.pages.At(p.page[i])[:]...)
	}
	v.saved = append(v.saved, s)
}

// Read calls visit with the memberships of some pieces, a piece of one table at a
// time, drained ones included, until it has visited at least so many. It returns
// false when there are no more. What visit is given is valid only during the call.
//
// The pieces come in no particular order, those that were copied first: so a copy
// does not live long.
func (v *View) Read(memberships int, visit func(owner uint32, members []Membership)) bool {
	var room [pagesMax * pageSlots]Membership
	m := v.memory
	for len(v.saved) > 0 && memberships > 0 {
		s := v.saved[len(v.saved)-1]
		v.saved = v.saved[:len(v.saved)-1]
		v.savedBytes -= len(s.lines) * 64
		found := room[:0]
		for i := range s.lines {
			found = s.lines[i].appendTo(found, s.piece.base, 0)
		}
		visit(s.piece.owner, found)
		memberships -= len(found)
		if len(v.spare) < spareMax {
			v.spare = append(v.spare, s)
		}
	}
	for ; memberships > 0 && v.next < v.end; v.next++ {
		p := m.pieces.At(v.next)
		if p.epoch >= v.epoch || p.pages == 0 {
			continue // it was copied, it is a later one, or it was free
		}
		found := m.collect(room[:0], p, 0)
		visit(p.owner, found)
		memberships -= len(found)
	}
	return len(v.saved) > 0 || v.next < v.end
}
