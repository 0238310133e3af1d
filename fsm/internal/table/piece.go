package table

import "math/bits"

const (
	pageLines = 6
	pageSlots = pageLines * lineSlots
	pagesMax  = 10 // in a piece, so that its header is one cache line
	linesMax  = pagesMax * pageLines

	// How many lines an insertion reads to make room before the piece grows instead:
	// each but the first two may be an access to memory. Rebuilding a piece reads all.
	searchFew = 5
	searchAll = linesMax
)

type page [pageLines]line

// piece is a small hash table of its own: the memberships of one segment whose keys
// begin with the same depth bits. It has up to 60 lines, and each key two of them,
// either of which may hold it (cuckoo hashing with buckets: Dietzfelbinger and
// Weidling, 2007). So a lookup reads two lines at most, a full line moves a slot to
// its other line, and a slot is freed without leaving a mark.
//
// A slot at or below the watermark is as good as free, but only in its own line: to
// find a free slot elsewhere, full is looked at and not the line.
//
// Invariants: a key is in at most one slot; used = slots with a bucket;
// full has the lines in which all slots have one;
// every bucket is above base and at most base+Reach.
type piece struct {
	full  uint64 // a bit for each line
	owner uint32 // number of the segment
	base  uint32 // slots count their buckets from here
	epoch uint32 // when it was made, or saved for a reader, last
	used  uint16 // slots that are not free
	depth uint8  // leading bits that its keys share
	pages uint8  // in use
	page  [pagesMax]uint32
}

func (p *piece) lines() uint32 { return uint32(p.pages) * pageLines }

// drained returns the watermark counted from the piece's base.
func (p *piece) drained(watermark uint32) uint32 {
	if watermark <= p.base {
		return 0
	}
	return min(watermark-p.base, reachMask)
}

func (m *Memory) line(p *piece, n uint32) *line {
	return &m.pages.At(p.page[n/pageLines])[n%pageLines]
}

// find returns the line that holds a key, or nil, and the slot.
func (m *Memory) find(p *piece, k Key) (number uint32, l *line, at int) {
	if p.pages == 0 {
		return 0, nil, 0
	}
	first, second := linesOf(k.Lo, p.pages)
	l = m.line(p, first)
	if at = l.find(k); at >= 0 {
		return first, l, at
	}
	l = m.line(p, second)
	if at = l.find(k); at >= 0 {
		return second, l, at
	}
	return 0, nil, 0
}

// insert puts a key that the piece does not hold into it, and says whether there
// was room. To make room it reads no more than search lines.
func (m *Memory) insert(id uint32, p *piece, k Key, bucket, watermark uint32, search int) bool {
	if p.pages == 0 {
		return false
	}
	m.rebase(id, p, bucket, watermark)
	drained := p.drained(watermark)
	first, second := linesOf(k.Lo, p.pages)
	number, l := first, m.line(p, first)
	vacant := l.vacant(drained)
	// The emptier of the two, so that lines rarely become full.
	other := m.line(p, second)
	if others := other.vacant(drained); bits.OnesCount(others) > bits.OnesCount(vacant) {
		number, l, vacant = second, other, others
	}
	if vacant == 0 {
		return m.displace(id, p, k, bucket, first, second, search)
	}
	m.lineWritable(id, p, number, l)
	p.occupy(number, l, bits.TrailingZeros(vacant), k, bucket-p.base)
	return true
}

// occupy puts a key into a vacant slot of a line.
func (p *piece) occupy(number uint32, l *line, at int, k Key, bucket uint32) {
	if l.bucket(at) == 0 {
		p.used++
	}
	l.set(at, k, bucket)
	if l.vacant(0) == 0 {
		p.full |= 1 << number
	}
}

// vacate frees a slot of a line.
func (p *piece) vacate(number uint32, l *line, at int) {
	l.clear(at)
	p.used--
	p.full &^= 1 << number
}

// rebase counts the piece's buckets from the watermark, if it must to hold bucket.
func (m *Memory) rebase(id uint32, p *piece, bucket, watermark uint32) {
	if bucket-p.base <= reachMask {
		return
	}
	m.writable(id, p)
	m.moves++
	drained := p.drained(watermark)
	for number := range p.lines() {
		l := m.line(p, number)
		for i := range lineSlots {
			switch b := l.bucket(i); {
			case b > drained:
				l.setBucket(i, b-drained)
			case b > 0:
				p.vacate(number, l, i)
			}
		}
	}
	p.base = watermark
}

// Membership is a key of a table and the bucket in which it ends.
type Membership struct {
	Key    Key
	Bucket uint32
}

// appendTo appends the memberships whose buckets, counted from base, are above drained.
func (l *line) appendTo(to []Membership, base, drained uint32) []Membership {
	for i := range lineSlots {
		if b := l.bucket(i); b > drained {
			to = append(to, Membership{l.key(i), base + b})
		}
	}
	return to
}

// collect appends the memberships above the watermark.
func (m *Memory) collect(to []Membership, p *piece, watermark uint32) []Membership {
	drained := p.drained(watermark)
	for n := range p.lines() {
		to = m.line(p, n).appendTo(to, p.base, drained)
	}
	return to
}
