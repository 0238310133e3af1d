package tally

import "headcount/fsm/internal/prefetch"

// Probe finds what Add or Remove of a bucket will need, in steps, each of which ends where
// memory must be waited for and begins to read it: see the Spot of package table.
type Probe struct {
	cell     *cell // nil: there is none
	position uint32
}

// Cell finds the cell.
func (b *Probe) Cell(t *Tally, m *Memory, bucket uint32) {
	number, cell, position := place(bucket)
	*b = Probe{position: position}
	if i := number - t.first; i < uint32(len(t.groups)) && t.groups[i] != 0 {
		b.cell = &m.groups.At(t.groups[i])[cell]
		prefetch.Of(b.cell)
	}
}

// Number finds the number that the cell refers to.
func (b *Probe) Number(m *Memory) {
	if word := b.word(m); word != nil {
		prefetch.Of(word)
	}
}

// word returns what has the number, or nil if that is in the cell.
func (b *Probe) word(m *Memory) *uint64 {
	if b.cell == nil {
		return nil
	}
	c := *b.cell
	if c&form != block {
		return nil
	}
	return &m.block(c.width(), c.number())[b.position<<(c.width()+1)/64]
}
