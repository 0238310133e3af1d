package table

// Probe looks a key up in steps, each of which ends where memory must be waited for.
// Somebody with many keys makes a step for all of them before the next, so that the
// processor waits for many at once. Its results are not used to read anything: a key
// that is probed is looked up faster, that is all.
type Probe struct {
	piece         *piece
	first, second *line
}

// Piece finds out in which piece the key is.
func (b *Probe) Piece(t *Table, m *Memory, k Key) {
	*b = Probe{}
	if len(t.directory) != 0 {
		b.piece = m.pieces.At(t.directory[t.position(k.Lo)])
	}
}

// Lines finds out in which lines of the piece.
func (b *Probe) Lines(m *Memory, k Key) {
	if b.piece != nil && b.piece.pages != 0 {
		first, second := linesOf(k.Lo, b.piece.pages)
		b.first, b.second = m.line(b.piece, first), m.line(b.piece, second)
	}
}

// Touch reads from both lines. What it returns is to be kept, or the compiler leaves
// the reading out.
func (b *Probe) Touch() uint64 {
	if b.first == nil {
		return 0
	}
	return b.first.low[0] ^ b.second.low[0]
}

// TouchRoom reads the line that will make room for a key that is not in the table, if
// both of its own are full.
func (b *Probe) TouchRoom(m *Memory, k Key) uint64 {
	if b.first == nil {
		return 0
	}
	p := b.piece
	first, second := linesOf(k.Lo, p.pages)
	if both := uint64(1)<<first | 1<<second; p.full&both != both {
		return 0
	}
	for _, number := range [2]uint32{first, second} {
		l := m.line(p, number)
		for slot := range lineSlots {
			a, c := linesOf(l.low[slot], p.pages)
			if other := a ^ c ^ number; p.full>>other&1 == 0 {
				return m.line(p, other).low[0]
			}
		}
	}
	return 0
}
