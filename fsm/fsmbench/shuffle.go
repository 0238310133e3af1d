package main

import "math/bits"

// shuffle is a random order of 0 to n-1 that takes no memory: a list of 20 million
// positions would disturb the very figures that it helps to measure.
//
// It is a Feistel network of four rounds over the smallest even number of bits that
// holds n. A value outside is sent through again until it falls inside, which keeps
// the mapping one to one (J. Black and P. Rogaway, "Ciphers with arbitrary finite
// domains", 2002).
type shuffle struct {
	n    uint64
	half uint // bits
	mask uint64
	keys [4]uint64
}

func newShuffle(n int, seed uint64) shuffle {
	s := shuffle{n: uint64(n), half: uint(max(bits.Len64(uint64(n))+1, 2)) / 2}
	s.mask = 1<<s.half - 1
	for i := range s.keys {
		seed = mix(seed + 0x9e3779b97f4a7c15)
		s.keys[i] = seed
	}
	return s
}

// at returns what stands at a position from 0 to n-1.
func (s *shuffle) at(position int) int {
	v := uint64(position)
	for {
		left, right := v>>s.half, v&s.mask
		for _, key := range s.keys {
			left, right = right, left^mix(right^key)&s.mask
		}
		if v = left<<s.half | right; v < s.n {
			return int(v)
		}
	}
}

// mix is the finalizer of SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable
// pseudorandom number generators", 2014): one to one, and every bit depends on all.
func mix(v uint64) uint64 {
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}
