package tally

import "headcount/fsm/internal/slab"

// widths is how many widths of numbers there are in blocks: width w is 2<<w bits.
const widths = 5

// Memory is what the tallies of one shard lie in. Make one with [NewMemory].
type Memory struct {
	groups slab.Slab[group]

	blocks [widths]slab.Slab[uint64] // by width: a number of w bits takes w words for the 64 of a span
}

// NewMemory returns memory without tallies.
func NewMemory() *Memory {
	const (
		chunkObjects = 1 << 15 // 512 KiB to 8 MiB
		plain        = 1 << 20
	)
	m := &Memory{groups: slab.New[group](chunkObjects, plain)}
	for width := range m.blocks {
		m.blocks[width] = slab.NewRuns[uint64](2<<width, chunkObjects, plain)
	}
	return m
}

// Bytes returns how much memory the tallies have touched, in bytes.
func (m *Memory) Bytes() int64 {
	n := m.groups.Bytes()
	for width := range m.blocks {
		n += m.blocks[width].Bytes()
	}
	return n
}

// Used returns how much of it is not free, in bytes.
func (m *Memory) Used() int64 {
	n := m.groups.Used()
	for width := range m.blocks {
		n += m.blocks[width].Used()
	}
	return n
}

// Gather puts some more of what the tallies lie in into huge pages, or returns false if that
// is not worth it or done. No Probe may be in use. See [slab.Slab.Gather].
func (m *Memory) Gather() bool {
	if m.groups.Gather() {
		return true
	}
	for width := range m.blocks {
		if m.blocks[width].Gather() {
			return true
		}
	}
	return false
}

// words returns the numbers of a block.
func (m *Memory) words(c cell) []uint64 { return m.blocks[c.width()].Run(c.number()) }
