package tally

// Probe finds what Add or Remove of a bucket will need, in steps, each of which ends
// where memory must be waited for: see the Probe of package table.
type Probe struct {
	cell     *cell
	position uint32
}

var nothing cell

// Cell finds the cell.
func (b *Probe) Cell(t *Tally, m *Memory, bucket uint32) {
	number, cell, position := place(bucket)
	b.cell, b.position = &nothing, position
	if i := number - t.first; i < uint32(len(t.groups)) && t.groups[i] != 0 {
		b.cell = &m.groups.At(t.groups[i])[cell]
	}
}

// Touch reads the cell, and the number that it refers to. What it returns is to be
// kept, or the compiler leaves the reading out.
func (b *Probe) Touch(m *Memory) uint64 {
	if b.cell == nil {
		return 0
	}
	c := *b.cell
	if c&form != block {
		return uint64(c)
	}
	words := m.block(c.width(), c.number())
	return words[b.position<<(c.width()+1)/64]
}

// TouchCell reads the cell alone.
func (b *Probe) TouchCell() uint64 {
	if b.cell == nil {
		return 0
	}
	return uint64(*b.cell)
}
