package table

// Still is one table as a view holds it: to be read by key, and a piece at a time in
// the order of the keys. Everything that is written meanwhile is copied for it, so
// open its view with a bound.
type Still struct {
	view      *View
	directory []uint32
	depth     uint8
}

// Still returns a table as it is now, which must be one of the view's. The caller
// holds the lock exclusively, as when it opened the view. A view that is read like
// this is not read otherwise.
func (v *View) Still(t *Table) *Still {
	return &Still{v, append([]uint32(nil), t.directory...), t.depth}
}

// Find returns the bucket of a key, 0 if the table did not hold it.
func (s *Still) Find(k Key) uint32 {
	if len(s.directory) == 0 {
		return 0
	}
	number := s.directory[k.first()>>(64-s.depth)]
	if c := s.view.copyOf(number); c != nil {
		return c.find(k)
	}
	m := s.view.memory
	p := m.pieces.At(number)
	if p.pages == 0 {
		return 0
	}
	first, second := linesOf(k.Lo, p.pages)
	kept := s.view.kept[number]
	for _, n := range [2]uint32{first, second} {
		l := s.view.keptLine(kept, n)
		if l == nil {
			l = m.line(p, n)
		}
		if at := p.findIn(l, k); at >= 0 {
			return p.base + l.bucket(p.form, at)
		}
	}
	return 0
}

// Piece returns the memberships of one piece, appended to members, drained ones
// included. It begins with from = 0, and goes on from what it returns, until that is 0.
func (s *Still) Piece(from uint64, members []Membership) (_ []Membership, next uint64) {
	if len(s.directory) == 0 {
		return members, 0
	}
	number := s.directory[from>>(64-s.depth)]
	var depth uint8
	if c := s.view.copyOf(number); c != nil {
		for i := range c.lines {
			members = c.piece.appendLine(members, &c.lines[i], 0)
		}
		depth = c.piece.depth()
	} else {
		p := s.view.memory.pieces.At(number)
		members = s.view.collect(members, number, p)
		depth = p.depth()
	}
	return members, (from>>(64-depth) + 1) << (64 - depth)
}

// copyOf returns the copy that was made of a piece, if it has been written since.
func (v *View) copyOf(number uint32) *saved {
	for _, s := range v.saved {
		if v.taken == nil {
			v.taken = make(map[uint32]*saved)
		}
		v.taken[s.number] = s
	}
	v.saved = v.saved[:0]
	if len(v.taken) == 0 {
		return nil
	}
	return v.taken[number]
}

func (s *saved) find(k Key) uint32 {
	if s.piece.pages == 0 {
		return 0
	}
	first, second := linesOf(k.Lo, s.piece.pages)
	for _, number := range [2]uint32{first, second} {
		l := &s.lines[number]
		if at := s.piece.findIn(l, k); at >= 0 {
			return s.piece.base + l.bucket(s.piece.form, at)
		}
	}
	return 0
}
