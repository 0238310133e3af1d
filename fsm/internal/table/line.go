package table

import (
	"math/bits"

	"github.com/dchest/siphash"
)

// Key stands for a user ID: the low 76 bits of its keyed 128-bit hash.
//
// Two users of one segment are taken for one when their keys are equal. Among n
// users, that happens with a probability below n²/2⁷⁷: 7e-8 for 100 million users
// in one segment of one shard.
type Key struct {
	Lo uint64
	Hi uint16 // 12 bits
}

const keyHiBits = 12

// KeyOf hashes an ID under a key of 128 bits. SipHash-2-4 with 128 bits of output:
// Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012.
func KeyOf(k0, k1 uint64, id []byte) Key {
	lo, hi := siphash.Hash128(k0, k1, id)
	return Key{lo, uint16(hi & (1<<keyHiBits - 1))}
}

// MakeKey returns the key with these bits, and whether there may be one.
func MakeKey(lo uint64, hi uint16) (Key, bool) { return Key{lo, hi}, hi < 1<<keyHiBits }

const (
	lineSlots = 5
	reachBits = 26
	reachMask = 1<<reachBits - 1
	highBits  = keyHiBits / 2 // of a key, in each of rest and high
	highMask  = 1<<highBits - 1
)

// Reach is how far above the watermark a bucket may lie.
const Reach = reachMask

// line is five memberships in one cache line of 64 bytes:
//
//	low    5 × 64 bits   low bits of the keys
//	rest   5 × 32 bits   26: bucket, counted from the piece's base, 0 in a free slot; 6: of the key
//	high   5 ×  6 bits   the highest bits of the keys
type line struct {
	low  [lineSlots]uint64
	rest [lineSlots]uint32
	high uint32
}

// find returns the slot of a key, or -1.
//
// It compares all slots without a branch, since nothing foretells which one it is: a
// branch taken wrongly costs more than the comparisons.
func (l *line) find(k Key) int {
	same := uint(0)
	for i := range l.low {
		different := l.low[i] ^ k.Lo
		same |= uint((different|-different)>>63^1) << i
	}
	for ; same != 0; same &= same - 1 {
		i := bits.TrailingZeros(same) % lineSlots
		if l.key(i) == k && l.bucket(i) != 0 {
			return i
		}
	}
	return -1
}

// vacant returns which slots are free or have a bucket that is at most drained: a bit
// for each. Without a branch, as find.
func (l *line) vacant(drained uint32) (slots uint) {
	for i := range l.rest {
		slots |= uint((l.rest[i]&reachMask-drained-1)>>31) << i
	}
	return slots
}

// bucket is counted from the piece's base.
func (l *line) bucket(i int) uint32 { return l.rest[i] & reachMask }

func (l *line) setBucket(i int, bucket uint32) { l.rest[i] = l.rest[i]&^reachMask | bucket }

func (l *line) key(i int) Key {
	return Key{l.low[i], uint16(l.rest[i]>>reachBits | l.high>>(highBits*uint(i))&highMask<<highBits)}
}

func (l *line) set(i int, k Key, bucket uint32) {
	l.low[i] = k.Lo
	l.rest[i] = uint32(k.Hi&highMask)<<reachBits | bucket
	shift := highBits * uint(i)
	l.high = l.high&^(highMask<<shift) | uint32(k.Hi>>highBits)<<shift
}

func (l *line) clear(i int) { l.set(i, Key{}, 0) }
