package main

// zipfSplit divides total among n ranks in proportion to 1/(rank+1), as whole
// numbers that sum to total. What rounding leaves over goes to the first ranks,
// one each, where it is the smallest part of what they have.
func zipfSplit(total, n int) []int {
	var sum float64
	for rank := range n {
		sum += 1 / float64(rank+1)
	}
	shares, left := make([]int, n), total
	for rank := range shares {
		shares[rank] = int(float64(total) / (float64(rank+1) * sum))
		left -= shares[rank]
	}
	for rank := 0; left > 0; rank = (rank + 1) % n {
		shares[rank]++
		left--
	}
	return shares
}

// evenSplit divides total among n ranks, as evenly as whole numbers allow.
func evenSplit(total, n int) []int {
	shares := make([]int, n)
	for rank := range shares {
		shares[rank] = total*(rank+1)/n - total*rank/n
	}
	return shares
}
