package table

// depthMax bounds the directory: 2²⁶ pieces are ten billion memberships. Only keys
// that are no hashes get there sooner.
const depthMax = 26

// Table is the memberships of one segment. The zero Table, with an owner, is empty.
type Table struct {
	Owner uint32 // number of the segment

	directory []uint32 // of pieces, by the first depth bits of the key; nil when empty
	depth     uint8
	pieces    [depthMax + 1]uint32 // how many there are of each depth
	hint      int                  // pages that an empty piece begins with, see Reserve
}

// Spot is where a key is in a table, or would be. It is good until memberships are
// moved, see [Spot.Moved], and that a table does not hold the key, until it is inserted.
type Spot struct {
	number uint32
	piece  *piece // nil: the table is empty
	line   *line  // nil: the table does not hold the key
	lineNo uint32 // its number in the piece
	at     int    // the slot
	moves  uint64 // of the memory's memberships, when it was found
}

// Moved reports whether memberships of any table have been moved since.
func (s *Spot) Moved(m *Memory) bool { return s.moves != m.moves }

// Bucket returns the bucket, drained or not, 0 if the table does not hold the key.
func (s *Spot) Bucket() uint32 {
	if s.line == nil {
		return 0
	}
	return s.piece.base + s.line.bucket(s.at)
}

// Held reports whether the table holds the key, drained or not.
func (s *Spot) Held() bool { return s.line != nil }

// Bytes returns the size of the directory, in bytes.
func (t *Table) Bytes() int64 { return int64(4 * cap(t.directory)) }

func (t *Table) position(low uint64) uint64 { return low >> (64 - t.depth) }

// Find returns where a key is.
func (t *Table) Find(m *Memory, k Key) (s Spot) {
	if len(t.directory) == 0 {
		return s
	}
	s.number = t.directory[t.position(k.Lo)]
	s.piece = m.pieces.At(s.number)
	s.lineNo, s.line, s.at = m.find(s.piece, k)
	s.moves = m.moves
	return s
}

// Move changes the bucket of the key at s, which the table holds.
func (t *Table) Move(m *Memory, s Spot, bucket, watermark uint32) {
	m.lineWritable(s.number, s.piece, s.lineNo, s.line)
	if k := s.line.key(s.at); bucket-s.piece.base > reachMask {
		m.rebase(s.number, s.piece, bucket, watermark)
		if s.line.bucket(s.at) == 0 { // it was drained, and cleared just now
			s.piece.occupy(s.lineNo, s.line, s.at, k, bucket-s.piece.base)
			return
		}
	}
	s.line.setBucket(s.at, bucket-s.piece.base)
}

// Remove forgets the key at s, which the table holds. Its slot can be used at once;
// pages that the table can do without are given back when it is swept.
func (t *Table) Remove(m *Memory, s Spot) {
	m.lineWritable(s.number, s.piece, s.lineNo, s.line)
	s.piece.vacate(s.lineNo, s.line, s.at)
}

// Insert adds a key that the table does not hold; s is where it would be, and may be
// out of date. bucket is above the watermark by at most [Reach]. It returns false if
// there is no place for it, which cannot be while keys are hashes; then the table is of no
// use any more.
func (t *Table) Insert(m *Memory, s Spot, k Key, bucket, watermark uint32) bool {
	if len(t.directory) == 0 {
		number, _ := m.newPiece(t.Owner, 0)
		t.directory, t.depth = []uint32{number}, 0
		t.pieces[0] = 1
	}
	if s.piece == nil || s.Moved(m) {
		s.number = t.directory[t.position(k.Lo)]
		s.piece = m.pieces.At(s.number)
	}
	for !m.insert(s.number, s.piece, k, bucket, watermark, searchFew) {
		if !t.grow(m, s.number, s.piece, k, watermark) {
			return false
		}
		s.number = t.directory[t.position(k.Lo)]
		s.piece = m.pieces.At(s.number)
	}
	return true
}

// grow makes room in a piece into which k did not fit: by forgetting what is drained,
// by a page more, or by splitting it.
func (t *Table) grow(m *Memory, number uint32, p *piece, k Key, watermark uint32) bool {
	m.writable(number, p)
	live := m.live(p, watermark)
	switch {
	case p.pages == 0:
		m.resize(p, max(1, t.hint))
		return true
	case live < int(p.used) && pagesFor(live+1) <= int(p.pages):
		m.members = m.collect(m.members[:0], p, watermark)
		if m.refill(number, p, m.members, int(p.pages), watermark) {
			return true
		}
	case p.pages < pagesMax:
		// Where memberships have no place among a page more, which is next to
		// impossible, they have one among two.
		if m.extend(number, p, watermark) || m.refill(number, p, m.members, int(p.pages), watermark) {
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
	if p.depth == t.depth {
		if t.depth == depthMax {
			return false
		}
		t.double()
	}
	bit := uint64(1) << (63 - p.depth)
	ones := 0
	for i, x := range m.members {
		if x.Key.Lo&bit != 0 {
			m.members[i], m.members[ones] = m.members[ones], x
			ones++
		}
	}
	other, q := m.newPiece(p.owner, p.depth+1)
	t.pieces[p.depth]--
	p.depth++
	t.pieces[p.depth] += 2
	if !m.refill(other, q, m.members[:ones], pagesFor(ones), watermark) ||
		!m.refill(number, p, m.members[ones:], pagesFor(len(m.members)-ones), watermark) {
		return false
	}
	first, count := t.span(k.Lo, p.depth-1)
	for i := count / 2; i < count; i++ {
		t.directory[first+i] = other
	}
	return true
}

// span returns the part of the directory that belongs to the piece of this depth
// that a key falls into.
func (t *Table) span(low uint64, depth uint8) (first, count int) {
	count = 1 << (t.depth - depth)
	return int(t.position(low)) &^ (count - 1), count
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
	const perPiece = pagesMax * pageSlots * 5 / 6
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
		t.directory[i], _ = m.newPiece(t.Owner, depth)
	}
	t.hint = max(1, pagesFor(int(memberships>>depth))-1) // a page too few is soon added
	return 1 << depth
}

// Settled ends what Reserve began: from now on the table grows as it must.
func (t *Table) Settled() { t.hint = 0 }
