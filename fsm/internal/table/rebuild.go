package table

import "math/bits"

// live returns how many memberships are above the watermark.
func (m *Memory) live(p *piece, watermark uint32) (n int) {
	drained := p.drained(watermark)
	if drained == 0 {
		return int(p.used)
	}
	for number := range p.lines() {
		n += p.form.slots() - bits.OnesCount(m.line(p, number).vacant(p.form, drained))
	}
	return n
}

// refill makes the piece hold these memberships and nothing else, in dense lines if they
// reach to furthest and to all of them, and in as few pages from pages on as it takes (0:
// from as many as they are given). If a piece cannot hold them, it says so, and the
// piece is in no order.
func (m *Memory) refill(id uint32, p *piece, members []Membership, pages int, furthest, watermark uint32) bool {
	p.form = p.formFor(members, furthest, watermark)
	if pages == 0 {
		pages = pagesFor(len(members), p.form)
	}
	slots := pageLines * p.form.slots()
	for pages = max(pages, (len(members)+slots-1)/slots); pages <= pagesMax; pages++ {
		m.resize(p, pages)
		for i := range p.pages {
			*m.pages.At(p.page[i]) = page{}
		}
		p.base, p.used, p.full = watermark, 0, 0
		var free freeSlots
		for i := range free {
			free[i] = uint8(1<<p.form.slots() - 1)
		}
		if m.place(id, p, members, &free) == len(members) {
			return true
		}
	}
	return false
}

// formFor returns the form in which the piece reaches to furthest and to all of these.
func (p *piece) formFor(members []Membership, furthest, watermark uint32) form {
	for _, x := range members {
		furthest = max(furthest, x.Bucket)
	}
	if f := formOf(p.depth()); furthest-watermark <= f.reach() {
		return f
	}
	return wideForm
}

// mustRefill is refill of what the piece has held before, in no fewer pages than pages.
func (m *Memory) mustRefill(id uint32, p *piece, members []Membership, pages int, watermark uint32) {
	if !m.refill(id, p, members, pages, watermark, watermark) {
		panic("table: a piece does not hold what it held before")
	}
}

// freeSlots has the free slots of each line of a piece: a bit for each.
type freeSlots [linesMax]uint8

// place puts memberships into the piece, which may be written, and returns how many it
// has placed before one did not fit. It looks at free alone to choose their slots.
func (m *Memory) place(id uint32, p *piece, members []Membership, free *freeSlots) int {
	for i, x := range members {
		first, second := linesOf(x.Key.Lo, p.pages)
		number := first
		if bits.OnesCount8(free[second]) > bits.OnesCount8(free[first]) {
			number = second
		}
		if free[number] == 0 {
			s := Spot{number: id, piece: p, lineNos: [2]uint32{first, second}}
			taken, found := m.displace(&s, x.Key, x.Bucket, searchAll)
			if !found {
				return i
			}
			free[taken] &= free[taken] - 1
			continue
		}
		p.put(m.line(p, number), firstOf(uint(free[number])), x.Key, x.Bucket-p.base)
		p.occupy(number, uint(free[number]))
		free[number] &= free[number] - 1
	}
	return len(members)
}

// extend gives the piece so many pages, and moves to the new ones what belongs there now.
// It forgets what is drained. If there is no way to place everything, it says so, and
// m.members has what the piece must hold.
func (m *Memory) extend(id uint32, p *piece, pages int, watermark uint32) bool {
	had := p.pages
	m.resize(p, pages)
	drained := p.drained(watermark)
	m.members = m.members[:0]
	var free freeSlots
	for number := range p.lines() {
		l := m.line(p, number)
		slots, forget := l.free(p.form), uint(0)
		if drained != 0 {
			forget = l.vacant(p.form, drained) &^ slots
		}
		moving := l.movingBeyond(p.form, p.pages, had) &^ (slots | forget)
		for ; moving != 0; moving &= moving - 1 {
			i := firstOf(moving)
			if first, second := linesOf(l[i], p.pages); number == first || number == second {
				continue
			}
			m.members = append(m.members, Membership{p.key(l, i), p.base + l.bucket(p.form, i)})
			forget |= 1 << i
		}
		free[number] = uint8(slots | forget)
		for ; forget != 0; forget &= forget - 1 {
			p.vacate(number, l, firstOf(forget))
		}
	}
	placed := m.place(id, p, m.members, &free)
	if placed == len(m.members) {
		return true
	}
	m.members = m.collect(m.members[placed:], p, watermark)
	return false
}

// grown returns how many pages a piece has after it has grown: a third more at once, since
// each time all its lines are read to find what moves, and until the next time those that
// are full have to be made room in.
func grown(pages int) int { return min(pages+max(1, pages/3), pagesMax) }

// resize gives the piece so many pages. New ones are empty.
func (m *Memory) resize(p *piece, pages int) {
	m.moves++
	m.shapes++
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
func pagesFor(members int, f form) int {
	const fill = 0.9 // of the slots, so that the next few need not move others
	return min(max(1, int(float64(members)/(fill*float64(pageLines*f.slots()))+0.999)), pagesMax)
}
