package tally

import "headcount/fsm/internal/prefetch"

// Probe finds where a bucket of a tally is counted, in steps, each of which ends where
// memory must be waited for and begins to read it: see the Spot of package table. With one,
// Add and Remove need not look for that again. It is good, and may be out of date, until
// something is dropped of the tally. The zero Probe has found nothing, and is good as well.
type Probe struct {
	cell   *cell   // nil: there is none
	word   *uint64 // has the bucket's number; nil: the cell is no block
	refers uint32  // what of the cell led to word
	bucket uint32
}

// Cell finds the cell, whatever was probed before.
func (b *Probe) Cell(t *Tally, m *Memory, bucket uint32) {
	number, cell, _ := place(bucket)
	*b = Probe{bucket: bucket}
	if i := number - t.first; i < uint32(len(t.groups)) && t.groups[i] != 0 {
		b.cell = &m.groups.At(t.groups[i])[cell]
		prefetch.Of(b.cell)
	}
}

// Number finds the number that the cell refers to.
func (b *Probe) Number(m *Memory) {
	if b.cell == nil {
		return
	}
	if c := *b.cell; c&form == block {
		_, _, position := place(b.bucket)
		b.word, b.refers = &m.words(c)[position<<(c.width()+1)/64], c.refers()
		prefetch.Of(b.word)
	}
}

// leads reports whether the bucket was probed, and is counted where it was then.
func (b *Probe) leads(bucket uint32) bool {
	return b.word != nil && b.bucket == bucket && b.cell.refers() == b.refers
}

// number returns where in the word the number is, and the highest that it can be.
func (b *Probe) number() (shift uint32, most uint64) {
	_, _, position := place(b.bucket)
	width := b.cell.width()
	return position << (width + 1) % 64, largest(width)
}

// Add is [Tally.Add] of the tally that was probed.
func (b *Probe) Add(t *Tally, m *Memory, bucket uint32) {
	if b.leads(bucket) {
		if shift, most := b.number(); *b.word>>shift&most != most {
			*b.word += 1 << shift
			*b.cell += blockOne
			return
		}
	}
	t.Add(m, bucket)
}

// Remove is [Tally.Remove] of the tally that was probed.
func (b *Probe) Remove(t *Tally, m *Memory, bucket uint32) {
	if b.leads(bucket) && b.cell.total() > fewest {
		if shift, most := b.number(); *b.word>>shift&most != 0 {
			*b.word -= 1 << shift
			*b.cell -= blockOne
			return
		}
	}
	t.Remove(m, bucket)
}
