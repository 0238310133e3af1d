package table

import "headcount/fsm/internal/slab"

const (
	chunkPages  = 16 << 10 // 6 MiB
	chunkPieces = 32 << 10 // 2 MiB

	// While there is little in them, whole huge pages would cost more than they gain.
	plainPageBytes  = 32 << 20
	plainPieceBytes = 2 << 20
)

// Memory is what the tables of one shard lie in. Make one with [NewMemory].
type Memory struct {
	pages  slab.Slab[page]
	pieces slab.Slab[piece]

	moves  uint64 // how often memberships were moved to other slots, or may have been
	shapes uint64 // how often a piece was given other pages, or may have been

	epoch   uint16 // of the last view opened
	viewed  uint16 // epoch of the last view that is still open, 0: none
	views   []*View
	members []Membership   // of the piece that is being rebuilt; kept to be used again
	steps   [linesMax]step // of a displacement
}

// NewMemory returns memory without tables.
func NewMemory() *Memory {
	return &Memory{
		pages:  slab.New[page](chunkPages, plainPageBytes),
		pieces: slab.New[piece](chunkPieces, plainPieceBytes),
	}
}

// Bytes returns how much memory the tables have touched, in bytes, without their
// directories.
func (m *Memory) Bytes() int64 { return m.pages.Bytes() + m.pieces.Bytes() }

// Used returns how much of it is not free, in bytes.
func (m *Memory) Used() int64 { return m.pages.Used() + m.pieces.Used() }

// Gather puts some more of what the tables lie in into huge pages, or returns false if that
// is not worth it or done. No Spot may be in use. See [slab.Slab.Gather].
func (m *Memory) Gather() bool { return m.pages.Gather() || m.pieces.Gather() }

// newPiece makes a piece without pages for the keys that begin like first.
func (m *Memory) newPiece(owner uint32, first uint64, depth uint8) (number uint32, p *piece) {
	number, p = m.pieces.Alloc()
	p.owner, p.epoch, p.place, p.form = owner, m.epoch, placeOf(first, depth), formOf(depth)
	return number, p
}

func (m *Memory) freePiece(number uint32, p *piece) {
	m.writable(number, p)
	m.resize(p, 0)
	m.pieces.Free(number)
}
