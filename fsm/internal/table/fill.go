package table

// fillGroups is how many pieces Fill looks for among the memberships it is given: each takes
// a pass over them, and somebody may have scattered them over all pieces.
const fillGroups = 8

// Fill adds memberships that the table does not hold, in any order, and changes theirs. It
// does what Insert does for each, and returns false when Insert would. Those that come into
// an empty piece are placed at once, so it is fast where most come together that belong
// together: as a View of another table reads them, if this one was prepared by [Table.Reserve].
func (t *Table) Fill(m *Memory, members []Membership, watermark uint32) bool {
	t.begin(m)
	for range fillGroups {
		if len(members) == 0 {
			break
		}
		first := members[0].Key.first()
		number := t.directory[t.position(first)]
		p := m.pieces.At(number)
		n := gather(members, first, p.depth())
		if !m.fill(number, p, members[:n], watermark) && !t.insertAll(m, members[:n], watermark) {
			return false
		}
		members = members[n:]
	}
	return t.insertAll(m, members, watermark)
}

// fill places memberships of an empty piece, and reports whether it did.
func (m *Memory) fill(number uint32, p *piece, members []Membership, watermark uint32) bool {
	if p.pages != 0 {
		return false
	}
	m.writable(number, p)
	if m.refill(number, p, members, packed(len(members), p.formFor(members, watermark, watermark)), watermark, watermark) {
		return true
	}
	m.resize(p, 0)
	p.used = 0
	return false
}

// gather moves the memberships of the piece of this depth that first belongs to before all
// others, and returns how many they are.
func gather(members []Membership, first uint64, depth uint8) (n int) {
	for i, x := range members {
		if (x.Key.first()^first)>>(64-depth) == 0 {
			members[i], members[n] = members[n], x
			n++
		}
	}
	return n
}

func (t *Table) insertAll(m *Memory, members []Membership, watermark uint32) bool {
	for _, x := range members {
		var s Spot
		if !t.Insert(m, &s, x.Key, x.Bucket, watermark) {
			return false
		}
	}
	return true
}

// packed returns in how few pages so many memberships have places without a long search:
// about as full as a piece is before it grows. pagesFor leaves room for the next few, and takes a
// fifteenth more memory.
func packed(members int, f form) int {
	const slack = 25 // one slot in so many is free
	slots := pageLines * f.slots()
	return min((members*slack+(slack-1)*slots-1)/((slack-1)*slots), pagesMax)
}
