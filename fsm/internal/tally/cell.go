package tally

// SpanBuckets is how many buckets share a cell.
const SpanBuckets = 64

// cell is what ends in one span:
//
//	bits 0-1   form
//	list:      bits 2-5 how many, then 6 bits each: the bucket within the span, in no order
//	block:     bits 2-4 width, bits 5-31 number of the block, bits 32-63 the sum
//
// The zero cell is empty. A list is never empty, nor is the sum of a block 0.
type cell uint64

const (
	formBits = 2
	form     = 1<<formBits - 1
	list     = 1
	block    = 2

	listMax    = 9
	numberMask = 1<<27 - 1
	blockOne   = 1 << 32       // is one membership of a block's sum
	fewest     = listMax/2 + 1 // in a block, so that a list does not become one again at the next few
)

func newBlock(width, number, sum uint32) cell {
	if number > numberMask {
		panic("tally: more than 2²⁷ blocks of one width")
	}
	return block | cell(width)<<formBits | cell(number)<<5 | cell(sum)<<32
}

func (c cell) width() uint32  { return uint32(c >> formBits & 7) }
func (c cell) number() uint32 { return uint32(c >> 5 & numberMask) }

// refers returns what does not change while a block stays where it is.
func (c cell) refers() uint32 { return uint32(c) }

// total returns how many memberships end in the span.
func (c cell) total() uint32 {
	if c&form == block {
		return uint32(c >> 32)
	}
	return uint32(c >> formBits & 15)
}

func (c cell) listed(i uint32) uint32 { return uint32(c >> (6 + 6*i) & 63) }

// get returns the number at position i of a block.
func get(words []uint64, width, i uint32) uint32 {
	bit := i << (width + 1)
	return uint32(words[bit/64] >> (bit % 64) & largest(width))
}

func set(words []uint64, width, i, n uint32) {
	bit := i << (width + 1)
	words[bit/64] = words[bit/64]&^(largest(width)<<(bit%64)) | uint64(n)<<(bit%64)
}

// largest is the highest number that a width holds.
func largest(width uint32) uint64 { return 1<<(2<<width) - 1 }

// add returns the cell with one membership more at position i.
func (m *Memory) add(c cell, i uint32) cell {
	if c&form != block {
		n := c.total()
		if n < listMax {
			return c&^(15<<formBits|form) | list | cell(n+1)<<formBits | cell(i)<<(6+6*n)
		}
		c = m.toBlock(c)
	}
	words := m.words(c)
	n := get(words, c.width(), i)
	if uint64(n) == largest(c.width()) {
		c = m.widen(c)
		words = m.words(c)
	}
	set(words, c.width(), i, n+1)
	return c + blockOne
}

// remove returns the cell with one membership less at position i, where there is one.
func (m *Memory) remove(c cell, i uint32) cell {
	if c&form == block {
		words := m.words(c)
		n := get(words, c.width(), i)
		if n == 0 {
			panic("tally: a membership is removed that was not counted")
		}
		set(words, c.width(), i, n-1)
		return m.shrunk(c - blockOne)
	}
	n := c.total()
	for j := range n {
		if c.listed(j) == i {
			last := c.listed(n - 1)
			c = c&^(63<<(6+6*j)) | cell(last)<<(6+6*j)
			return trimmed(c, n-1)
		}
	}
	panic("tally: a membership is removed that was not counted")
}

// trimmed returns a list cut to n.
func trimmed(c cell, n uint32) cell {
	if n == 0 {
		return 0
	}
	return c&(1<<(6+6*n)-1)&^(15<<formBits) | cell(n)<<formBits
}

// shrunk makes a list of a block again when few are left.
func (m *Memory) shrunk(c cell) cell {
	if c.total() >= fewest {
		return c
	}
	short, count := cell(list), uint32(0)
	words := m.words(c)
	for i := range uint32(SpanBuckets) {
		for range get(words, c.width(), i) {
			short |= cell(i) << (6 + 6*count)
			count++
		}
	}
	m.blocks[c.width()].Free(c.number())
	return trimmed(short, count)
}

// toBlock makes a block of a list.
func (m *Memory) toBlock(c cell) cell {
	var numbers [SpanBuckets]uint32
	highest := uint32(0)
	for j := range c.total() {
		i := c.listed(j)
		numbers[i]++
		highest = max(highest, numbers[i])
	}
	width := uint32(0)
	for uint64(highest) > largest(width) {
		width++
	}
	number, _ := m.blocks[width].Alloc()
	words := m.blocks[width].Run(number)
	for j := range c.total() { // all others are zero already
		i := c.listed(j)
		set(words, width, i, numbers[i])
	}
	return newBlock(width, number, c.total())
}

// widen makes the numbers of a block twice as wide.
func (m *Memory) widen(c cell) cell {
	if c.width() == widths-1 {
		panic("tally: more than 2³² memberships end in one bucket")
	}
	wider := &m.blocks[c.width()+1]
	number, _ := wider.Alloc()
	to := wider.Run(number)
	from := m.words(c)
	for i := range uint32(SpanBuckets) {
		set(to, c.width()+1, i, get(from, c.width(), i))
	}
	m.blocks[c.width()].Free(c.number())
	return newBlock(c.width()+1, number, c.total())
}

// sum returns how many memberships end at the positions [from, to).
func (m *Memory) sum(c cell, from, to uint32) (n int64) {
	if from == 0 && to == SpanBuckets || c == 0 {
		return int64(c.total())
	}
	if c&form == block {
		words := m.words(c)
		for i := from; i < to; i++ {
			n += int64(get(words, c.width(), i))
		}
		return n
	}
	for j := range c.total() {
		if i := c.listed(j); from <= i && i < to {
			n++
		}
	}
	return n
}

// drop returns the cell without the positions below to, and how many memberships
// that were.
func (m *Memory) drop(c cell, to uint32) (cell, int64) {
	n := m.sum(c, 0, to)
	if n == 0 {
		return c, 0
	}
	if c&form == block {
		words := m.words(c)
		for i := range to {
			set(words, c.width(), i, 0)
		}
		return m.shrunk(c - cell(n)<<32), n
	}
	kept, count := cell(list), uint32(0)
	for j := range c.total() {
		if i := c.listed(j); i >= to {
			kept |= cell(i) << (6 + 6*count)
			count++
		}
	}
	return trimmed(kept, count), n
}
