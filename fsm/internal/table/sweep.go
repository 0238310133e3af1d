package table

// mergedMax is the most memberships that two pieces have together when they are made
// one: half of what a piece holds, so that it does not split again soon.
const mergedMax = pagesMax * pageSlotsMax / 2

// Sweep frees the drained slots of one piece, and the pages that it can do without.
// It begins with from = 0, and goes on from what it returns, until that is 0. It
// says how many slots it visited.
func (t *Table) Sweep(m *Memory, from uint64, watermark uint32) (next uint64, visited int) {
	if len(t.directory) == 0 {
		return 0, 1
	}
	number := t.directory[t.position(from)]
	p := m.pieces.At(number)
	visited = pageSlotsMax * max(1, int(p.pages))
	// The end of the piece's part of the hash space, before it is merged: 0 past the last.
	next = (from>>(64-p.depth()) + 1) << (64 - p.depth())
	m.members = m.collect(m.members[:0], p, watermark)
	merged := false
	for t.merge(m, from, number, p, watermark) {
		merged = true
	}
	pages := pagesFor(len(m.members), p.form)
	if !merged && (len(m.members) < int(p.used) || grown(pages) < int(p.pages)) {
		m.writable(number, p)
		m.mustRefill(number, p, m.members, min(pages, int(p.pages)), watermark)
	}
	if next == 0 {
		t.halve() // once a sweep, or it would be doubled again by the next split
	}
	return next, visited
}

// merge makes one of p, whose memberships are in m.members, and its sibling, if they
// are few. It says whether it did.
func (t *Table) merge(m *Memory, first uint64, number uint32, p *piece, watermark uint32) bool {
	depth := p.depth()
	if depth == 0 {
		return false
	}
	other := t.directory[t.position(first^1<<(64-depth))]
	q := m.pieces.At(other)
	if q.depth() != depth || len(m.members)+int(q.used) > mergedMax {
		return false
	}
	m.writable(number, p)
	own := len(m.members)
	m.members = m.collect(m.members, q, watermark)
	p.place = placeOf(first, depth-1)
	if !m.refill(number, p, m.members, 0, watermark, watermark) {
		// Keys that are no hashes may have places in two pieces and none in one.
		m.members = m.members[:own]
		p.place = placeOf(first, depth)
		m.mustRefill(number, p, m.members, 1, watermark)
		return false
	}
	m.freePiece(other, q)
	t.pieces[depth] -= 2
	t.pieces[depth-1]++
	begin, count := t.span(first, depth-1)
	for i := range count {
		t.directory[begin+i] = number
	}
	return true
}

// Small reports whether the table has one piece at most, so that one Drop frees it.
func (t *Table) Small() bool { return t.depth == 0 }

// Drop frees one piece of a table that nobody will use again. It begins with from = 0,
// and goes on from what it returns, until that is 0.
func (t *Table) Drop(m *Memory, from uint64) (next uint64, visited int) {
	if len(t.directory) == 0 {
		return 0, 1
	}
	number := t.directory[t.position(from)]
	p := m.pieces.At(number)
	next = (from>>(64-p.depth()) + 1) << (64 - p.depth())
	visited = pageSlotsMax * max(1, int(p.pages))
	m.freePiece(number, p)
	if next == 0 {
		t.directory = nil
	}
	return next, visited
}
