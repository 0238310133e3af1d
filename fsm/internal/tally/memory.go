package tally

import "headcount/fsm/internal/slab"

// widths is how many widths of numbers there are in blocks: width w is 2<<w bits.
const widths = 5

// Memory is what the tallies of one shard lie in. Make one with [NewMemory].
type Memory struct {
	groups slab.Slab[group]

	// Blocks by width. A number of w bits takes w words for the 64 of a span.
	blocks2  slab.Slab[[2]uint64]
	blocks4  slab.Slab[[4]uint64]
	blocks8  slab.Slab[[8]uint64]
	blocks16 slab.Slab[[16]uint64]
	blocks32 slab.Slab[[32]uint64]
}

// NewMemory returns memory without tallies.
func NewMemory() *Memory {
	const (
		chunkObjects = 1 << 15 // 512 KiB to 8 MiB
		plain        = 1 << 20
	)
	return &Memory{
		groups:   slab.New[group](chunkObjects, plain),
		blocks2:  slab.New[[2]uint64](chunkObjects, plain),
		blocks4:  slab.New[[4]uint64](chunkObjects, plain),
		blocks8:  slab.New[[8]uint64](chunkObjects, plain),
		blocks16: slab.New[[16]uint64](chunkObjects, plain),
		blocks32: slab.New[[32]uint64](chunkObjects, plain),
	}
}

// Bytes returns how much memory the tallies have touched, in bytes.
func (m *Memory) Bytes() int64 {
	return m.groups.Bytes() + m.blocks2.Bytes() + m.blocks4.Bytes() + m.blocks8.Bytes() +
		m.blocks16.Bytes() + m.blocks32.Bytes()
}

// Used returns how much of it is not free, in bytes.
func (m *Memory) Used() int64 {
	return m.groups.Used() + m.blocks2.Used() + m.blocks4.Used() + m.blocks8.Used() +
		m.blocks16.Used() + m.blocks32.Used()
}

// Gather puts some more of what the tallies lie in into huge pages, or returns false if that
// is not worth it or done. No Probe may be in use. See [slab.Slab.Gather].
func (m *Memory) Gather() bool {
	return m.groups.Gather() || m.blocks2.Gather() || m.blocks4.Gather() || m.blocks8.Gather() ||
		m.blocks16.Gather() || m.blocks32.Gather()
}

func (m *Memory) block(width, number uint32) []uint64 {
	switch width {
	case 0:
		return m.blocks2.At(number)[:]
	case 1:
		return m.blocks4.At(number)[:]
	case 2:
		return m.blocks8.At(number)[:]
	case 3:
		return m.blocks16.At(number)[:]
	default:
		return m.blocks32.At(number)[:]
	}
}

func (m *Memory) alloc(width uint32) (number uint32, words []uint64) {
	switch width {
	case 0:
		number, _ = m.blocks2.Alloc()
	case 1:
		number, _ = m.blocks4.Alloc()
	case 2:
		number, _ = m.blocks8.Alloc()
	case 3:
		number, _ = m.blocks16.Alloc()
	default:
		number, _ = m.blocks32.Alloc()
	}
	return number, m.block(width, number)
}

func (m *Memory) free(width, number uint32) {
	switch width {
	case 0:
		m.blocks2.Free(number)
	case 1:
		m.blocks4.Free(number)
	case 2:
		m.blocks8.Free(number)
	case 3:
		m.blocks16.Free(number)
	default:
		m.blocks32.Free(number)
	}
}
