package table

import "github.com/dchest/siphash"

// Key stands for a user ID: 73 bits of its keyed 128-bit hash, of which the 9 of Hi
// come first.
//
// Two users of one segment are taken for one when their keys are equal. Among n
// users, that happens with a probability below n²/2⁷⁴: 5.3e-7 for 100 million users
// in one segment of one shard.
type Key struct {
	Lo uint64
	Hi uint16 // headBits bits
}

// headBits are the bits of a key that a piece need not hold once it is so deep that all
// its keys share them.
const headBits = 9

// KeyOf hashes an ID under a key of 128 bits. SipHash-2-4 with 128 bits of output:
// Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012.
func KeyOf(k0, k1 uint64, id []byte) Key {
	lo, hi := siphash.Hash128(k0, k1, id)
	return Key{lo, uint16(hi & (1<<headBits - 1))}
}

// MakeKey returns the key with these bits, and whether there may be one.
func MakeKey(lo uint64, hi uint16) (Key, bool) { return Key{lo, hi}, hi < 1<<headBits }

// first returns the first 64 bits of the key, which choose its piece. The last of Lo's
// bits, which are not among them, choose its lines.
func (k Key) first() uint64 { return uint64(k.Hi)<<(64-headBits) | k.Lo>>headBits }
