package table

import "math"

// View is what was in the tables when it was opened. It costs nothing to open: a line
// that is about to be written is first copied for the views that have not read it yet,
// and a whole piece only when its memberships are about to be moved. Nothing is copied
// once it has been read.
//
// One goroutine reads it: everything once, with [View.Read], or by key, with [Still].
// It holds the lock shared while it does, and exclusively to open and to close it.
//
// Invariant: of a piece that the view includes, unless it has been read, either saved
// has a copy, or it has the lines that it had, but for those in kept.
type View struct {
	memory *Memory
	epoch  uint16
	owners map[uint32]bool // nil: every table
	end    uint32          // pieces from here on did not exist
	next   uint32          // pieces below it have been read; see Read

	saved []*saved             // copies of pieces that the reader has not taken yet
	spare []*saved             // to be used again
	taken map[uint32]*saved    // by number; see Still
	kept  map[uint32]keptLines // by number of the piece
	lines [][]keptLine         // what kept refers to, in chunks

	savedBytes int // of all copies that are held
	bytesMax   int // a view that would need more is lost, 0: no bound
	lost       bool
}

// saved is a copy of a piece.
type saved struct {
	number uint32
	piece  piece
	lines  []line
}

// keptLines is which lines of a piece were copied: a bit for each, and a list.
type keptLines struct {
	lines uint64
	last  uint32 // of the list, see keptLine
}

// keptLine is a copy of one line.
type keptLine struct {
	line   line
	number uint32
	before uint32 // the place in View.lines of the one copied before it, of the same piece
}

const (
	spareMax       = 64 // copies that are kept to be used again
	keptChunkLines = 256
	keptLineBytes  = 64 + 8 + 16 // with what the map takes
)

// Open opens a view of the tables of these owners, nil: of all tables. If copies for
// it would take more than bytesMax, the view is lost; 0 is no bound.
func (m *Memory) Open(owners map[uint32]bool, bytesMax int) *View {
	if m.epoch == math.MaxUint16 {
		m.renumber()
	}
	m.epoch++
	v := &View{memory: m, epoch: m.epoch, owners: owners, end: m.pieces.End(), next: 1, bytesMax: bytesMax}
	m.views = append(m.views, v)
	m.viewed = m.epoch
	return v
}

// renumber begins the epochs anew: each piece's becomes the number of open views that
// do not include it, which are those opened first.
func (m *Memory) renumber() {
	for number := uint32(1); number < m.pieces.End(); number++ {
		p := m.pieces.At(number)
		later := uint16(0)
		for _, v := range m.views {
			if p.epoch >= v.epoch {
				later++
			}
		}
		p.epoch = later
	}
	for i, v := range m.views {
		v.epoch = uint16(i + 1)
	}
	m.epoch = uint16(len(m.views))
	m.viewed = m.epoch
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
	v.saved, v.spare, v.taken, v.kept, v.lines = nil, nil, nil, nil, nil
}

// Lost reports whether the bound was passed: then there is nothing more to be read.
func (v *View) Lost() bool { return v.lost }

// Viewed reports whether a view without a bound is open: one that everything that is
// written meanwhile is copied for, however much.
func (m *Memory) Viewed() bool {
	for _, v := range m.views {
		if v.bytesMax == 0 {
			return true
		}
	}
	return false
}

// writable must be called before the memberships of a piece are moved, or it is freed.
func (m *Memory) writable(number uint32, p *piece) {
	if p.epoch >= m.viewed {
		return
	}
	for _, v := range m.views {
		if v.needs(number, p) {
			v.save(number, p)
		}
	}
	p.epoch = m.epoch
}

// lineWritable must be called before a line of a piece is written.
func (m *Memory) lineWritable(number uint32, p *piece, n uint32, l *line) {
	if p.epoch >= m.viewed {
		return
	}
	for _, v := range m.views {
		if v.needs(number, p) {
			v.keep(number, n, l)
		}
	}
}

// needs reports whether the view includes a piece, and has neither read nor copied it.
func (v *View) needs(number uint32, p *piece) bool {
	return p.epoch < v.epoch && number >= v.next && number < v.end && !v.lost && (v.owners == nil || v.owners[p.owner])
}

// charge counts bytes of a copy. It returns false if that is one too many.
func (v *View) charge(bytes int) bool {
	v.savedBytes += bytes
	if v.bytesMax == 0 || v.savedBytes <= v.bytesMax {
		return true
	}
	v.lost = true
	v.saved, v.spare, v.kept, v.lines = nil, nil, nil, nil
	return false
}

func (v *View) save(number uint32, p *piece) {
	if !v.charge(int(p.lines()) * 64) {
		return
	}
	var s *saved
	if n := len(v.spare); n > 0 {
		s, v.spare = v.spare[n-1], v.spare[:n-1]
	} else {
		s = &saved{lines: make([]line, 0, linesMax)}
	}
	s.number, s.piece, s.lines = number, *p, s.lines[:0]
	for i := range p.pages {
		s.lines = append(s.lines, v.memory.pages.At(p.page[i])[:]...)
	}
	if k, ok := v.kept[number]; ok {
		for n := range p.lines() {
			if l := v.keptLine(k, n); l != nil {
				s.lines[n] = *l
			}
		}
		delete(v.kept, number)
	}
	v.saved = append(v.saved, s)
}

func (v *View) keep(number, n uint32, l *line) {
	k := v.kept[number]
	if k.lines>>n&1 != 0 || !v.charge(keptLineBytes) {
		return
	}
	if last := len(v.lines) - 1; last < 0 || len(v.lines[last]) == keptChunkLines {
		v.lines = append(v.lines, make([]keptLine, 0, keptChunkLines))
	}
	last := len(v.lines) - 1
	v.lines[last] = append(v.lines[last], keptLine{*l, n, k.last})
	if v.kept == nil {
		v.kept = make(map[uint32]keptLines)
	}
	v.kept[number] = keptLines{k.lines | 1<<n, uint32(last*keptChunkLines + len(v.lines[last]) - 1)}
}

// keptLine returns the copy of a line, or nil.
func (v *View) keptLine(k keptLines, n uint32) *line {
	if k.lines>>n&1 == 0 {
		return nil
	}
	for at := k.last; ; {
		c := &v.lines[at/keptChunkLines][at%keptChunkLines]
		if c.number == n {
			return &c.line
		}
		at = c.before
	}
}

// collect appends the memberships of a piece that was not copied whole, as it was,
// drained ones included.
func (v *View) collect(to []Membership, number uint32, p *piece) []Membership {
	k := v.kept[number]
	for n := range p.lines() {
		l := v.keptLine(k, n)
		if l == nil {
			l = v.memory.line(p, n)
		}
		to = p.appendLine(to, l, 0)
	}
	return to
}

// Read calls visit with the memberships of some pieces, a piece of one table at a
// time, drained ones included, until it has visited at least so many. What has few or
// none of them takes time as well, and counts. It returns false when there are no
// more. What visit is given is valid only during the call.
//
// The pieces come in no particular order, those that were copied first: so a copy
// does not live long.
func (v *View) Read(memberships int, visit func(owner uint32, members []Membership)) bool {
	var room [pagesMax * pageSlotsMax]Membership
	m := v.memory
	for len(v.saved) > 0 && memberships > 0 {
		s := v.saved[len(v.saved)-1]
		v.saved = v.saved[:len(v.saved)-1]
		v.savedBytes -= len(s.lines) * 64
		found := room[:0]
		for i := range s.lines {
			found = s.piece.appendLine(found, &s.lines[i], 0)
		}
		visit(s.piece.owner, found)
		memberships -= max(len(found), len(s.lines), 1)
		if len(v.spare) < spareMax {
			v.spare = append(v.spare, s)
		}
	}
	for ; memberships > 0 && v.next < v.end; v.next++ {
		p := m.pieces.At(v.next)
		if p.epoch >= v.epoch || p.pages == 0 {
			memberships--
			continue // it was copied, it is a later one, or it was free
		}
		found := v.collect(room[:0], v.next, p)
		delete(v.kept, v.next)
		visit(p.owner, found)
		memberships -= max(len(found), int(p.lines()))
	}
	return len(v.saved) > 0 || v.next < v.end
}
