package table

import "math/bits"

const (
	pageLines    = 6
	pageSlotsMax = pageLines * denseSlots
	pagesMax     = 10 // in a piece, so that its header is one cache line
	linesMax     = pagesMax * pageLines

	// How many lines an insertion reads to make room before the piece grows instead: the
	// key's own, and one that Room has begun to read. Rebuilding a piece reads all.
	searchFew = 3
	searchAll = linesMax
)

// Reach is how far above the watermark a bucket may lie.
const Reach = 1<<26 - 1

type page [pageLines]line

// piece is a small hash table of its own: the memberships of one segment whose keys
// begin with the same depth bits. It has up to 60 lines, and each key two of them,
// either of which may hold it (cuckoo hashing with buckets: Dietzfelbinger and
// Weidling, 2007). So a lookup reads two lines at most, a full line moves a slot to
// its other line, and a slot is freed without leaving a mark.
//
// Its lines are dense unless one of its buckets is further ahead than they reach. The
// deeper the piece, the fewer bits of a key they hold, and the further they reach: from
// depth 3 on 32,767 buckets, 22 days of minutes, and from depth 9 on 2,097,151.
//
// A slot at or below the watermark is as good as free, but only in its own line: to
// find a free slot elsewhere, full is looked at and not the line.
//
// Invariants: a key is in at most one slot; used = slots with a bucket;
// full has the lines in which all slots have one;
// every bucket is above base and at most base+form.reach();
// form is wideForm or formOf(depth).
type piece struct {
	full  uint64 // a bit for each line
	owner uint32 // number of the segment
	base  uint32 // slots count their buckets from here
	epoch uint16 // when it was made, or saved for a reader, last
	used  uint16 // slots that are not free
	place uint16 // see there
	pages uint8  // in use
	form  form   // of its lines
	page  [pagesMax]uint32
}

// placeOf packs where in the hash space a piece is: the first headBits bits of its keys,
// as far as they share them, and how many bits they share.
func placeOf(first uint64, depth uint8) uint16 {
	shared := first &^ (1<<(64-depth) - 1)
	return uint16(shared>>(64-headBits))<<depthBits | uint16(depth)
}

func (p *piece) depth() uint8 { return uint8(p.place & (1<<depthBits - 1)) }

func (p *piece) head() uint16 { return p.place >> depthBits }

func (p *piece) lines() uint32 { return uint32(p.pages) * pageLines }

// drained returns the watermark counted from the piece's base.
func (p *piece) drained(watermark uint32) uint32 {
	if watermark <= p.base {
		return 0
	}
	return min(watermark-p.base, p.form.reach())
}

// key returns the key in a slot of a line of the piece.
func (p *piece) key(l *line, i int) Key {
	tail := l.tail(p.form, i)
	if p.form.wide() {
		return Key{l[i], uint16(tail >> wideBucketBits)}
	}
	return Key{l[i], p.head() | uint16(tail>>(denseTailBits-p.form))}
}

// put puts a key and a bucket, counted from the piece's base, into a slot.
func (p *piece) put(l *line, i int, k Key, bucket uint32) {
	tail := uint64(k.Hi) << wideBucketBits
	if !p.form.wide() {
		tail = uint64(k.Hi) & (1<<p.form - 1) << (denseTailBits - p.form)
	}
	l.put(p.form, i, k.Lo, tail|uint64(bucket))
}

// findIn returns the slot of a line that holds a key, or -1.
func (p *piece) findIn(l *line, k Key) int {
	for same := l.match(p.form, k.Lo); same != 0; same &= same - 1 {
		if i := firstOf(same); p.key(l, i) == k && l.bucket(p.form, i) != 0 {
			return i
		}
	}
	return -1
}

func (m *Memory) line(p *piece, n uint32) *line {
	return &m.pages.At(p.page[n/pageLines])[n%pageLines]
}

// areFull reports whether lines have no free slot.
func (p *piece) areFull(numbers [2]uint32) bool {
	return p.full>>numbers[0]&(p.full>>numbers[1])&1 != 0
}

// insert puts a key that its piece does not hold into one of the lines of s, and says
// whether there was room, and the bucket within reach. To make room it reads no more
// than searchFew lines.
func (m *Memory) insert(s *Spot, k Key, bucket, watermark uint32) bool {
	p := s.piece
	if s.lines[0] == nil || !m.rebase(s.number, p, bucket, watermark) {
		return false
	}
	drained := p.drained(watermark)
	if drained == 0 && p.areFull(s.lineNos) {
		_, found := m.displace(s, k, bucket, searchFew)
		return found
	}
	// The emptier of the two, so that lines rarely become full.
	to := 0
	vacant, others := s.lines[0].vacant(p.form, drained), s.lines[1].vacant(p.form, drained)
	if bits.OnesCount(others) > bits.OnesCount(vacant) {
		to, vacant = 1, others
	}
	if vacant == 0 {
		_, found := m.displace(s, k, bucket, searchFew)
		return found
	}
	number, l, at := s.lineNos[to], s.lines[to], firstOf(vacant)
	m.lineWritable(s.number, p, number, l)
	free := vacant
	if drained != 0 {
		free = l.free(p.form)
	}
	if free>>at&1 != 0 {
		p.occupy(number, free)
	}
	p.put(l, at, k, bucket-p.base)
	return true
}

// occupy takes note that one of the free slots of a line will not be free.
func (p *piece) occupy(number uint32, free uint) {
	p.used++
	if free&(free-1) == 0 {
		p.full |= 1 << number
	}
}

// vacate frees a slot of a line.
func (p *piece) vacate(number uint32, l *line, at int) {
	l.clear(p.form, at)
	p.used--
	p.full &^= 1 << number
}

// rebase counts the piece's buckets from the watermark, if it must to hold bucket. It
// returns false, and changes nothing, if even then the lines do not reach so far.
func (m *Memory) rebase(id uint32, p *piece, bucket, watermark uint32) bool {
	switch reach := p.form.reach(); {
	case bucket-p.base <= reach:
		return true
	case bucket-watermark > reach:
		return false
	}
	m.writable(id, p)
	m.moves++
	drained := p.drained(watermark)
	for number := range p.lines() {
		l := m.line(p, number)
		for i := range p.form.slots() {
			switch b := l.bucket(p.form, i); {
			case b > drained:
				l.setBucket(p.form, i, b-drained)
			case b > 0:
				p.vacate(number, l, i)
			}
		}
	}
	p.base = watermark
	return true
}

// Membership is a key of a table and the bucket in which it ends.
type Membership struct {
	Key    Key
	Bucket uint32
}

// appendLine appends the memberships of a line of the piece whose buckets, counted from
// its base, are above drained.
func (p *piece) appendLine(to []Membership, l *line, drained uint32) []Membership {
	for i := range p.form.slots() {
		if b := l.bucket(p.form, i); b > drained {
			to = append(to, Membership{p.key(l, i), p.base + b})
		}
	}
	return to
}

// collect appends the memberships above the watermark.
func (m *Memory) collect(to []Membership, p *piece, watermark uint32) []Membership {
	drained := p.drained(watermark)
	for n := range p.lines() {
		to = p.appendLine(to, m.line(p, n), drained)
	}
	return to
}
