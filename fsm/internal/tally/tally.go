package tally

import "slices"

const groupCells = 8

type group [groupCells]cell

// Tally is the counts of one segment. The zero Tally is empty.
type Tally struct {
	first  uint32   // the span group that groups[0] is
	groups []uint32 // numbers of groups, 0: nothing ends there
}

// place says where a bucket is counted.
func place(bucket uint32) (group uint32, cell, position uint32) {
	span := bucket / SpanBuckets
	return span / groupCells, span % groupCells, bucket % SpanBuckets
}

// Add counts a membership that ends in bucket.
func (t *Tally) Add(m *Memory, bucket uint32) {
	number, cell, position := place(bucket)
	c := &t.groupFor(m, number)[cell]
	*c = m.add(*c, position)
}

// Remove takes back an Add.
func (t *Tally) Remove(m *Memory, bucket uint32) {
	number, cell, position := place(bucket)
	if number-t.first >= uint32(len(t.groups)) || t.groups[number-t.first] == 0 {
		panic("tally: a membership is removed that was not counted")
	}
	c := &m.groups.At(t.groups[number-t.first])[cell]
	*c = m.remove(*c, position)
}

// groupFor returns a group, and makes it if need be.
func (t *Tally) groupFor(m *Memory, number uint32) *group {
	switch {
	case len(t.groups) == 0:
		t.first = number
		t.groups = append(t.groups, 0)
	case number < t.first:
		t.groups = slices.Insert(t.groups, 0, make([]uint32, t.first-number)...)
		t.first = number
	}
	if missing := int(number-t.first) + 1 - len(t.groups); missing > 0 {
		t.groups = append(t.groups, make([]uint32, missing)...)
	}
	ref := &t.groups[number-t.first]
	if *ref == 0 {
		var g *group
		*ref, g = m.groups.Alloc()
		return g
	}
	return m.groups.At(*ref)
}

// Sum returns how many memberships end in the buckets (low, high].
func (t *Tally) Sum(m *Memory, low, high uint32) (n int64) {
	// As a range of whole groups, [from, to), to begin with.
	from, to := uint64(low)+1, uint64(high)+1
	const groupBuckets = groupCells * SpanBuckets
	begin, end := uint64(t.first)*groupBuckets, (uint64(t.first)+uint64(len(t.groups)))*groupBuckets
	from, to = max(from, begin), min(to, end)
	for from < to {
		next := min((from/SpanBuckets+1)*SpanBuckets, to)
		number, cell, position := place(uint32(from))
		ref := t.groups[number-t.first]
		if ref == 0 {
			from = (uint64(number) + 1) * groupBuckets
			continue
		}
		n += m.sum(m.groups.At(ref)[cell], position, position+uint32(next-from))
		from = next
	}
	return n
}

// Drop forgets the buckets up to and including bucket, and returns how many
// memberships ended in them.
func (t *Tally) Drop(m *Memory, bucket uint32) (n int64) {
	number, cell, position := place(bucket)
	for len(t.groups) > 0 && t.first < number {
		n += t.dropGroup(m)
	}
	if len(t.groups) == 0 {
		return n
	}
	if t.first > number || t.groups[0] == 0 {
		return n
	}
	n += t.dropCells(m, cell)
	c := &m.groups.At(t.groups[0])[cell]
	kept, dropped := m.drop(*c, position+1)
	*c = kept
	return n + dropped
}

// dropGroup forgets the first group.
func (t *Tally) dropGroup(m *Memory) (n int64) {
	if t.groups[0] != 0 {
		n = t.dropCells(m, groupCells)
		m.groups.Free(t.groups[0])
	}
	t.first++
	if t.groups = t.groups[1:]; len(t.groups) == 0 {
		t.groups = nil // so that it does not keep what lies before it
	}
	return n
}

// dropCells empties the first cells of the first group.
func (t *Tally) dropCells(m *Memory, cells uint32) (n int64) {
	g := m.groups.At(t.groups[0])
	for i := range cells {
		kept, dropped := m.drop(g[i], SpanBuckets)
		g[i] = kept
		n += dropped
	}
	return n
}

// Clear forgets everything.
func (t *Tally) Clear(m *Memory) {
	for len(t.groups) > 0 {
		t.dropGroup(m)
	}
}

// Bytes returns the size of the list of groups, in bytes.
func (t *Tally) Bytes() int64 { return int64(4 * cap(t.groups)) }
