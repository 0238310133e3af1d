package table

import "headcount/fsm/internal/prefetch"

// Spot is where a key is in a table, or would be. It is good until memberships are
// moved, see [Spot.Moved], and that a table does not hold the key, until it is inserted.
// Its lines are good for longer, until pieces get or lose pages; so [Spot.FindAgain] is
// cheaper than to find it anew, and [Table.Insert] takes one that is out of date.
//
// [Table.Find] finds it. Somebody with many keys finds their spots in steps, each of
// which ends where memory must be waited for and begins to read it, and makes a step for
// all of them before the next, so that the processor waits for many at once:
//
//	Prefetch, of the table
//	Piece   in which piece the key is
//	Lines   in which two lines of it
//	Find    in which slot
type Spot struct {
	piece   *piece    // nil: the table is empty
	lines   [2]*line  // where the key may be; nil: the piece is empty
	lineNos [2]uint32 // their numbers in the piece
	number  uint32    // of the piece
	line    *line     // where the key is; nil: the table does not hold it
	lineNo  uint32    // its number
	at      int       // the slot
	moves   uint64    // of the memory, when the key was found
	shapes  uint64    // of the memory, when the lines were
}

// Piece begins to find a key, whatever the spot was before.
func (s *Spot) Piece(t *Table, m *Memory, k Key) {
	s.findPiece(t, m, k)
	if s.piece != nil {
		prefetch.Of(s.piece)
	}
}

// Lines is the second step.
func (s *Spot) Lines(m *Memory, k Key) {
	s.findLines(m, k)
	if s.lines[0] != nil {
		prefetch.Of(s.lines[0])
		prefetch.Of(s.lines[1])
	}
}

// Find is the last step.
func (s *Spot) Find(k Key) {
	if s.lines[0] == nil {
		return
	}
	for i, l := range s.lines {
		if at := s.piece.findIn(l, k); at >= 0 {
			s.line, s.lineNo, s.at = l, s.lineNos[i], at
			return
		}
	}
}

// Room begins to read the line that will make room for a key that is not in the table, if
// both of its own are full. It may follow Find.
func (s *Spot) Room(m *Memory) {
	if number, found := s.room(); found {
		prefetch.Of(m.line(s.piece, number))
	}
}

// room returns the number of that line: one that is not full, or the first that has to be
// read to find one.
func (s *Spot) room() (number uint32, found bool) {
	p := s.piece
	if s.lines[0] == nil || !p.areFull(s.lineNos) {
		return 0, false
	}
	for i, l := range s.lines {
		for slot := range p.form.slots() {
			a, b := linesOf(l[slot], p.pages)
			other := a ^ b ^ s.lineNos[i]
			if p.full>>other&1 == 0 {
				return other, true
			}
			if !found && other != s.lineNos[1-i] {
				number, found = other, true
			}
		}
	}
	return number, found
}

// Moved reports whether memberships of any table have been moved since.
func (s *Spot) Moved(m *Memory) bool { return s.moves != m.moves }

// Bucket returns the bucket, drained or not, 0 if the table does not hold the key.
func (s *Spot) Bucket() uint32 {
	if s.line == nil {
		return 0
	}
	return s.piece.base + s.line.bucket(s.piece.form, s.at)
}

// Held reports whether the table holds the key, drained or not.
func (s *Spot) Held() bool { return s.line != nil }

// Find returns where a key is.
func (t *Table) Find(m *Memory, k Key) (s Spot) {
	t.seek(m, &s, k)
	s.Find(k)
	return s
}

// FindAgain finds where a key is now, in a spot that was found for it before.
func (s *Spot) FindAgain(t *Table, m *Memory, k Key) {
	if s.lines[0] == nil || s.shapes != m.shapes {
		t.seek(m, s, k)
	}
	s.line, s.moves = nil, m.moves
	s.Find(k)
}

// seek finds out in which lines a key may be.
func (t *Table) seek(m *Memory, s *Spot, k Key) {
	s.findPiece(t, m, k)
	s.findLines(m, k)
}

func (s *Spot) findPiece(t *Table, m *Memory, k Key) {
	*s = Spot{moves: m.moves, shapes: m.shapes}
	if len(t.directory) != 0 {
		s.number = t.directory[t.position(k.first())]
		s.piece = m.pieces.At(s.number)
	}
}

func (s *Spot) findLines(m *Memory, k Key) {
	if s.piece != nil && s.piece.pages != 0 {
		first, second := linesOf(k.Lo, s.piece.pages)
		s.lineNos = [2]uint32{first, second}
		s.lines = [2]*line{m.line(s.piece, first), m.line(s.piece, second)}
	}
}
