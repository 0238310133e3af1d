package fsm

import "maps"

// userKey is a keyed 128-bit hash of a user ID. Two users share one with
// probability n²/2¹²⁹: under 2e-23 at 100 million users.
type userKey struct{ hi, lo uint64 }

// tablePieces is how many pieces a table is cut into. A piece is what a snapshot
// freezes and what one step of reclaiming visits.
const tablePieces = 64

// table maps the users of one segment to the bucket their membership ends in.
//
// It may keep a slot whose bucket is drained: such a slot reads as absent and is
// reclaimed later by [table.sweep].
type table struct {
	pieces [tablePieces]*piece
}

type piece struct {
	epoch uint64 // snapshot epoch in which this piece was made
	slots map[userKey]uint32
}

// freeze says which pieces may be read by Persist: those made before the epoch,
// until every snapshot is released.
type freeze struct {
	epoch uint64 // of the last snapshot
	held  int    // snapshots not released yet
}

func pieceOf(k userKey) int { return int(k.hi & (tablePieces - 1)) }

// get returns the user's bucket, or 0 if there is no slot above the watermark.
func (t *table) get(k userKey, watermark uint32) uint32 {
	p := t.pieces[pieceOf(k)]
	if p == nil {
		return 0
	}
	if b := p.slots[k]; b > watermark {
		return b
	}
	return 0
}

func (t *table) put(k userKey, bucket uint32, f freeze) {
	t.writable(pieceOf(k), f).slots[k] = bucket
}

func (t *table) remove(k userKey, f freeze) {
	delete(t.writable(pieceOf(k), f).slots, k)
}

// writable returns piece i for writing: a copy of it if a snapshot is reading it.
func (t *table) writable(i int, f freeze) *piece {
	p := t.pieces[i]
	switch {
	case p == nil:
		p = &piece{epoch: f.epoch, slots: make(map[userKey]uint32)}
		t.pieces[i] = p
	case f.held > 0 && p.epoch < f.epoch:
		p = &piece{epoch: f.epoch, slots: maps.Clone(p.slots)}
		t.pieces[i] = p
	}
	return p
}

// sweep reclaims the drained slots of piece i and returns how many slots it visited.
func (t *table) sweep(i int, watermark uint32, f freeze) (visited int) {
	p := t.pieces[i]
	if p == nil {
		return 0
	}
	p = t.writable(i, f)
	visited = len(p.slots)
	for k, b := range p.slots {
		if b <= watermark {
			delete(p.slots, k)
		}
	}
	if len(p.slots) == 0 {
		t.pieces[i] = nil
	}
	return visited
}
