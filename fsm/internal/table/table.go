package table

import "headcount/fsm/internal/prefetch"

// depthMax bounds the directory: 2²⁶ pieces are ten billion memberships. Only keys
// that are no hashes get there sooner.
const (
	depthMax  = 26
	depthBits = 5
)

// Table is the memberships of one segment. The zero Table, with an owner, is empty.
type Table struct {
	Owner uint32 // number of the segment

	directory []uint32 // of pieces, by the first depth bits of the key; nil when empty
	depth     uint8
	pieces    [depthMax + 1]uint32 // how many there are of each depth
	hint      int                  // pages that an empty piece begins with, see Reserve
}

// Bytes returns the size of the directory, in bytes.
func (t *Table) Bytes() int64 { return int64(4 * cap(t.directory)) }

// Prefetch begins to read what [Spot.Piece] needs to know of the table.
func (t *Table) Prefetch(k Key) {
	if len(t.directory) != 0 {
		prefetch.Of(&t.directory[t.position(k.first())])
	}
}

func (t *Table) position(first uint64) uint64 { return first >> (64 - t.depth) }

// Move changes the bucket of the key at s, which the table holds. It returns false when
// Insert would.
func (t *Table) Move(m *Memory, s *Spot, bucket, watermark uint32) bool {
	p := s.piece
	if bucket-p.base > p.form.reach() {
		k := p.key(s.line, s.at)
		t.Remove(m, s)
		return t.Insert(m, s, k, bucket, watermark)
	}
	m.lineWritable(s.number, p, s.lineNo, s.line)
	s.line.setBucket(p.form, s.at, bucket-p.base)
	return true
}

// Remove forgets the key at s, which the table holds. Its slot can be used at once;
// pages that the table can do without are given back when it is swept.
func (t *Table) Remove(m *Memory, s *Spot) {
	m.lineWritable(s.number, s.piece, s.lineNo, s.line)
	s.piece.vacate(s.lineNo, s.line, s.at)
}

// Insert adds a key that the table does not hold; s is where it would be, and may be
// out of date. bucket is above the watermark by at most [Reach]. It returns false if
// there is no place for it, which cannot be while keys are hashes; then the table is of no
// use any more.
func (t *Table) Insert(m *Memory, s *Spot, k Key, bucket, watermark uint32) bool {
	t.begin(m)
	if s.lines[0] == nil || s.shapes != m.shapes {
		t.seek(m, s, k)
	}
	for !m.insert(s, k, bucket, watermark) {
		if !t.grow(m, s.number, s.piece, k, bucket, watermark) {
			return false
		}
		t.seek(m, s, k)
	}
	return true
}

// begin gives a table that has none its first piece.
func (t *Table) begin(m *Memory) {
	if len(t.directory) == 0 {
		number, _ := m.newPiece(t.Owner, 0, 0)
		t.directory, t.depth = []uint32{number}, 0
		t.pieces[0] = 1
	}
}

// grow makes room in a piece into which k did not fit: by lines that reach further, by
// forgetting what is drained, by more pages, or by splitting it.
func (t *Table) grow(m *Memory, number uint32, p *piece, k Key, bucket, watermark uint32) bool {
	for i := range p.pages {
		prefetch.All(m.pages.At(p.page[i]))
	}
	m.writable(number, p)
	live := m.live(p, watermark)
	switch {
	case p.pages == 0:
		return m.refill(number, p, nil, max(1, t.hint), bucket, watermark)
	case bucket-watermark > p.form.reach(),
		live < int(p.used) && pagesFor(live+1, p.form) <= int(p.pages):
		m.members = m.collect(m.members[:0], p, watermark)
		if m.refill(number, p, m.members, int(p.pages), bucket, watermark) {
			return true
		}
	case p.pages < pagesMax:
		// If a way is not found, which is next to impossible, the piece is filled anew, in
		// a page more if need be.
		if m.extend(number, p, grown(int(p.pages)), watermark) || m.refill(number, p, m.members, int(p.pages), bucket, watermark) {
			return true
		}
	default:
		m.members = m.collect(m.members[:0], p, watermark)
	}
	return t.split(m, number, p, k, watermark)
}

// split gives the memberships of p, which are in m.members, to it and to a new piece,
// by the next bit of their keys.
func (t *Table) split(m *Memory, number uint32, p *piece, k Key, watermark uint32) bool {
	depth := p.depth()
	if depth == t.depth {
		if t.depth == depthMax {
			return false
		}
		t.double()
	}
	bit := uint64(1) << (63 - depth)
	ones := 0 // at the beginning; without a branch, as match
	for i, x := range m.members {
		m.members[i], m.members[ones] = m.members[ones], x
		ones += int(x.Key.first() >> (63 - depth) & 1)
	}
	other, q := m.newPiece(p.owner, k.first()|bit, depth+1)
	p.place = placeOf(k.first()&^bit, depth+1)
	t.pieces[depth]--
	t.pieces[depth+1] += 2
	if !m.refill(other, q, m.members[:ones], 0, watermark, watermark) ||
		!m.refill(number, p, m.members[ones:], 0, watermark, watermark) {
		return false
	}
	first, count := t.span(k.first(), depth)
	for i := count / 2; i < count; i++ {
		t.directory[first+i] = other
	}
	return true
}

// span returns the part of the directory that belongs to the piece of this depth
// that a key falls into, by its first bits.
func (t *Table) span(key uint64, depth uint8) (first, count int) {
	count = 1 << (t.depth - depth)
	return int(t.position(key)) &^ (count - 1), count
}

func (t *Table) double() {
	twice := make([]uint32, 2*len(t.directory))
	for i, number := range t.directory {
		twice[2*i], twice[2*i+1] = number, number
	}
	t.directory = twice
	t.depth++
}

// halve gives half of the directory back, as long as no piece needs it.
func (t *Table) halve() {
	for t.depth > 0 && t.pieces[t.depth] == 0 {
		half := make([]uint32, len(t.directory)/2)
		for i := range half {
			half[i] = t.directory[2*i]
		}
		t.directory = half
		t.depth--
	}
}

// Reserve prepares an empty table for so many memberships, by making at most
// piecesMax pieces, without pages. It returns how many it made.
func (t *Table) Reserve(m *Memory, memberships int64, piecesMax int) int {
	const perPiece = pagesMax * pageSlotsMax * 5 / 6
	depth := uint8(0)
	for memberships>>depth > perPiece && 2<<depth <= piecesMax {
		depth++
	}
	if depth == 0 {
		return 0
	}
	t.directory, t.depth = make([]uint32, 1<<depth), depth
	t.pieces[depth] = 1 << depth
	for i := range t.directory {
		t.directory[i], _ = m.newPiece(t.Owner, uint64(i)<<(64-depth), depth)
	}
	t.hint = max(1, pagesFor(int(memberships>>depth), formOf(depth))-1) // what is missing is soon added
	return 1 << depth
}

// Settled ends what Reserve began: from now on the table grows as it must.
func (t *Table) Settled() { t.hint = 0 }
