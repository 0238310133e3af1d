package table

import "math/bits"

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
