package table

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
// It returns the line that has one more now.
func (m *Memory) displace(s *Spot, k Key, bucket uint32, search int) (number uint32, found bool) {
	p, steps := s.piece, &m.steps
	steps[0], steps[1] = step{s.lineNos[0], -1, 0}, step{s.lineNos[1], -1, 0}
	seen, end := uint64(1)<<s.lineNos[0]|1<<s.lineNos[1], 2
	for head := 0; head < min(end, search); head++ {
		from := m.line(p, steps[head].line)
		for slot := range p.form.slots() {
			a, b := linesOf(from[slot], p.pages)
			number = a ^ b ^ steps[head].line
			if seen>>number&1 != 0 {
				continue
			}
			seen |= 1 << number
			steps[end] = step{number, int8(head), int8(slot)}
			if p.full>>number&1 == 0 {
				m.shift(s.number, p, end, k, bucket)
				return number, true
			}
			end++
		}
	}
	return 0, false
}

// shift moves every membership on a way by one step, from its end, where a slot is
// free, to its beginning, where the new key gets the slot that has become so.
func (m *Memory) shift(id uint32, p *piece, end int, k Key, bucket uint32) {
	m.moves++
	number := m.steps[end].line
	to := m.line(p, number)
	free := to.free(p.form)
	at := firstOf(free)
	m.lineWritable(id, p, number, to)
	p.occupy(number, free)
	for m.steps[end].before >= 0 {
		slot := int(m.steps[end].slot)
		end = int(m.steps[end].before)
		number = m.steps[end].line
		from := m.line(p, number)
		m.lineWritable(id, p, number, from)
		to.put(p.form, at, from[slot], from.tail(p.form, slot))
		to, at = from, slot
	}
	p.put(to, at, k, bucket-p.base)
}
