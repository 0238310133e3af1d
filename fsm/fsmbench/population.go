package main

import (
	"fmt"
	"sort"
)

const (
	// born is the machine's clock while memberships are put: some noon.
	born = int64(1_765_022_400)

	bucketSeconds = 60
	daySeconds    = 24 * 60 * 60
	spreadSeconds = 14 * daySeconds // how far ahead the expiries lie

	idBytesMax = 16
)

// population is every membership of a measurement, computed from its number when it
// is needed and never stored. The segments' sizes are exact, the order in which the
// memberships come is random, and every membership has a user of its own.
type population struct {
	seed    uint64
	size    int
	titles  [][]byte
	ends    []int // ends[s]: the places below it, and not below ends[s-1], are in segment s
	order   shuffle
	nearIn2 bool // every second one ends within the first day, see [population.near]
}

// newPopulation has shares[s] memberships of segment s.
func newPopulation(shares []int, seed uint64) *population {
	p := &population{seed: seed, ends: make([]int, len(shares)), titles: make([][]byte, len(shares))}
	for s, share := range shares {
		p.size += share
		p.ends[s] = p.size
		p.titles[s] = fmt.Appendf(nil, "seg%05d", s)
	}
	p.order = newShuffle(max(p.size, 1), mix(seed+1))
	return p
}

// segment of membership i.
func (p *population) segment(i int) int {
	place := p.order.at(i)
	return sort.Search(len(p.ends), func(s int) bool { return p.ends[s] > place })
}

// near reports whether membership i ends within the first day.
func (p *population) near(i int) bool { return p.nearIn2 && i%2 == 0 }

// expiry of membership i after a number of renewals, each of which moves it by a day.
func (p *population) expiry(i, renewals int) int64 {
	within := int64(mix(p.seed^uint64(i)*0x9e3779b97f4a7c15) >> 16)
	first := born + 1 + within%spreadSeconds
	switch {
	case p.near(i):
		first = born + 1 + within%daySeconds
	case p.nearIn2:
		first = born + daySeconds + 1 + within%(spreadSeconds-daySeconds)
	}
	return first + int64(renewals)*daySeconds
}

// appendID appends the user ID of membership i: 12 to 16 letters and digits.
//
// The first 12 differ for every i below 2^56, because each step on the way to them
// is one to one; the rest only varies the length.
func (p *population) appendID(dst []byte, i int) []byte {
	const (
		digits = "0123456789abcdefghijklmnopqrstuvwxyz"
		mask   = 1<<56 - 1 // 36^11 is above it
	)
	v := uint64(i) & mask
	for range 2 {
		v = v * 0x9e3779b97f4a7c15 & mask // odd: one to one modulo 2^56
		v ^= v >> 29
	}
	dst = append(dst, 'u')
	rest := v
	for range 11 {
		dst = append(dst, digits[rest%36])
		rest /= 36
	}
	more := mix(v ^ p.seed)
	for range more % (idBytesMax - 12 + 1) {
		more >>= 8
		dst = append(dst, digits[more%36])
	}
	return dst
}
