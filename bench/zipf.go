package main

import "math/bits"

// zipf draws ranks from 0 to n-1, where rank r is drawn in proportion to 1/(r+1).
//
// It is the alias method (A. J. Walker 1977, built as M. D. Vose 1991 does): n
// columns of equal width, each shared by at most two ranks. A draw picks a column
// and then a side of it, both from one random number: its high part times n is the
// column, what remains is the place within it.
type zipf struct {
	columns []column // column r belongs to rank r up to below, and to other from there
}

type column struct {
	below uint64 // in 1/2^64 of the column
	other uint32
}

// newZipf takes n from 1 to 2^32-1.
func newZipf(n int) *zipf {
	var sum float64
	for rank := range n {
		sum += 1 / float64(rank+1)
	}
	share := make([]float64, n) // of a column's width; 1 on average
	var small, large []int
	for rank := range share {
		share[rank] = float64(n) / (float64(rank+1) * sum)
		if share[rank] < 1 {
			small = append(small, rank)
		} else {
			large = append(large, rank)
		}
	}
	z := &zipf{columns: make([]column, n)}
	for rank := range z.columns {
		// What rounding leaves over at the end owns its column alone.
		z.columns[rank] = column{below: ^uint64(0), other: uint32(rank)}
	}
	for len(small) > 0 && len(large) > 0 {
		poor, rich := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		z.columns[poor] = column{below: uint64(max(0, share[poor]) * (1 << 64)), other: uint32(rich)}
		share[rich] -= 1 - share[poor]
		if share[rich] < 1 {
			large = large[:len(large)-1]
			small = append(small, rich)
		}
	}
	return z
}

// rank turns a uniformly random number into a rank.
func (z *zipf) rank(random uint64) int {
	at, within := bits.Mul64(random, uint64(len(z.columns)))
	if within < z.columns[at].below {
		return int(at)
	}
	return int(z.columns[at].other)
}
