package table

import "math/bits"

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
