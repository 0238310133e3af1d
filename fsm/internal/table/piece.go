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

// step leads to a line from the line of the step before: the membership in that
// line's slot may move here.
type step struct {
	line   uint32
	before int8 // -1: none
	slot   int8
}

// displace makes room for a key whose lines are both full: it looks for the shortest
// way, over lines that it has not seen, to one that is not full, and moves each
// membership on the way by one step. A search of all lines finds a way if there is any.
func (m *Memory) displace(id uint32, p *piece, k Key, bucket, first, second uint32, search int) bool {
	var steps [linesMax]step
	steps[0], steps[1] = step{first, -1, 0}, step{second, -1, 0}
	seen, end := uint64(1)<<first|1<<second, 2
	for head := 0; head < min(end, search); head++ {
		from := m.line(p, steps[head].line)
		for slot := range lineSlots {
			a, b := linesOf(from.low[slot], p.pages)
			number := a ^ b ^ steps[head].line
			if seen>>number&1 != 0 {
				continue
			}
			seen |= 1 << number
			steps[end] = step{number, int8(head), int8(slot)}
			if p.full>>number&1 == 0 {
				m.shift(id, p, steps[:], end, k, bucket)
				return true
			}
			end++
		}
	}
	return false
}

// shift moves every membership on a way by one step, from its end, where a slot is
// free, to its beginning, where the new key gets the slot that has become so.
func (m *Memory) shift(id uint32, p *piece, steps []step, end int, k Key, bucket uint32) {
	m.moves++
	number := steps[end].line
	to := m.line(p, number)
	at := bits.TrailingZeros(to.vacant(0))
	m.lineWritable(id, p, number, to)
	for steps[end].before >= 0 {
		slot := int(steps[end].slot)
		end = int(steps[end].before)
		from := m.line(p, steps[end].line)
		m.lineWritable(id, p, steps[end].line, from)
		p.occupy(number, to, at, from.key(slot), from.bucket(slot))
		number, to, at = steps[end].line, from, slot
	}
	p.occupy(number, to, at, k, bucket-p.base)
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

// live returns how many memberships are above the watermark.
func (m *Memory) live(p *piece, watermark uint32) (n int) {
	drained := p.drained(watermark)
	if drained == 0 {
		return int(p.used)
	}
	for number := range p.lines() {
		n += lineSlots - bits.OnesCount(m.line(p, number).vacant(drained))
	}
	return n
}

// refill makes the piece hold these memberships and nothing else, in as few pages
// from pages on as it takes. If a piece cannot hold them, it says so, and the piece
// is in no order.
func (m *Memory) refill(id uint32, p *piece, members []Membership, pages int, watermark uint32) bool {
	for ; pages <= pagesMax; pages++ {
		m.resize(p, pages)
		for i := range p.pages {
			*m.pages.At(p.page[i]) = page{}
		}
		p.base, p.used, p.full = watermark, 0, 0
		if m.insertAll(id, p, members, watermark) == len(members) {
			return true
		}
	}
	return false
}

// mustRefill is refill of what the piece has held before, in no fewer pages than pages.
func (m *Memory) mustRefill(id uint32, p *piece, members []Membership, pages int, watermark uint32) {
	if !m.refill(id, p, members, pages, watermark) {
		panic("table: a piece does not hold what it held before")
	}
}

// insertAll returns how many it has inserted before one did not fit.
func (m *Memory) insertAll(id uint32, p *piece, members []Membership, watermark uint32) int {
	for i, x := range members {
		if !m.insert(id, p, x.Key, x.Bucket, watermark, searchAll) {
			return i
		}
	}
	return len(members)
}

// extend gives the piece a page more, and moves to it what belongs there now. It
// forgets what is drained. If there is no way to place everything, it says so, and
// m.members has what the piece must hold.
func (m *Memory) extend(id uint32, p *piece, watermark uint32) bool {
	m.resize(p, int(p.pages)+1)
	drained := p.drained(watermark)
	m.members = m.members[:0]
	for number := range p.lines() - pageLines {
		l := m.line(p, number)
		for i := range lineSlots {
			b := l.bucket(i)
			if b > drained {
				if !movesToLast(l.low[i], p.pages) {
					continue
				}
				if first, second := linesOf(l.low[i], p.pages); number == first || number == second {
					continue
				}
				m.members = append(m.members, Membership{l.key(i), p.base + b})
			}
			if b > 0 {
				p.vacate(number, l, i)
			}
		}
	}
	placed := m.insertAll(id, p, m.members, watermark)
	if placed == len(m.members) {
		return true
	}
	m.members = m.collect(m.members[placed:], p, watermark)
	return false
}

// resize gives the piece so many pages. New ones are empty.
func (m *Memory) resize(p *piece, pages int) {
	m.moves++
	for ; int(p.pages) < pages; p.pages++ {
		p.page[p.pages], _ = m.pages.Alloc()
	}
	p.full &= 1<<(pages*pageLines) - 1
	for ; int(p.pages) > pages; p.pages-- {
		m.pages.Free(p.page[p.pages-1])
		p.page[p.pages-1] = 0
	}
}

// pagesFor returns how many pages so many memberships are given, to begin with.
func pagesFor(members int) int {
	const fill = 0.9 // of the slots, so that the next few need not move others
	return min(max(1, int(float64(members)/(fill*pageSlots)+0.999)), pagesMax)
}
