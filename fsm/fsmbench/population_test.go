package main

import (
	"slices"
	"testing"
)

func TestSplitsSumExactly(t *testing.T) {
	for _, total := range []int{0, 1, 299, 300, 20_000, 1_234_567, 20_000_000} {
		for _, n := range []int{1, 2, 300, 10_000} {
			for name, shares := range map[string][]int{"Zipf": zipfSplit(total, n), "even": evenSplit(total, n)} {
				sum := 0
				for _, share := range shares {
					sum += share
				}
				if len(shares) != n || sum != total || slices.Min(shares) < 0 {
					t.Errorf("%s split of %d among %d: %d shares, sum %d", name, total, n, len(shares), sum)
				}
			}
		}
	}
	shares := zipfSplit(20_000_000, 300)
	for rank, share := range shares {
		if want := shares[0] / (rank + 1); share < want-2 || share > want+2 {
			t.Errorf("rank %d has %d, want about %d", rank, share, want)
		}
	}
}

func TestShuffleIsOneToOne(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 16, 17, 1000, 65_536, 100_003} {
		s, seen := newShuffle(n, 7), make([]bool, n)
		for position := range n {
			at := s.at(position)
			if seen[at] {
				t.Fatalf("of %d: %d comes twice", n, at)
			}
			seen[at] = true
		}
	}
}

// Segments have exactly the sizes given, every ID is its own, and has 12 to 16 bytes.
func TestPopulation(t *testing.T) {
	shares := zipfSplit(100_000, 300)
	p := newPopulation(shares, 3)
	got, ids, lengths := make([]int, 300), map[string]bool{}, map[int]int{}
	for i := range p.size {
		got[p.segment(i)]++
		id := string(p.appendID(nil, i))
		if ids[id] {
			t.Fatalf("ID %s comes twice", id)
		}
		ids[id] = true
		lengths[len(id)]++
		if first := p.expiry(i, 0); first <= born || first > born+spreadSeconds || p.expiry(i, 2) != first+2*daySeconds {
			t.Fatalf("membership %d ends at %d", i, first)
		}
	}
	if !slices.Equal(got, shares) {
		t.Errorf("segments have %v, want %v", got, shares)
	}
	if len(lengths) != 5 || lengths[12] < 15_000 || lengths[16] < 15_000 {
		t.Errorf("IDs by length: %v", lengths)
	}
}

func TestNearPopulationEndsOnTheFirstDay(t *testing.T) {
	p := newPopulation(evenSplit(10_000, 10), 3)
	p.nearIn2 = true
	near := 0
	for i := range p.size {
		if p.near(i) {
			near++
		}
		if expiry := p.expiry(i, 0); p.near(i) != (expiry <= born+daySeconds) {
			t.Fatalf("membership %d ends at %d", i, expiry)
		}
	}
	if near != p.size/2 {
		t.Errorf("%d near ones", near)
	}
}

func TestWalkVisitsEachOnceARound(t *testing.T) {
	w := newWalk(1000, 9)
	var first []int
	for round := 1; round <= 3; round++ {
		var visited []int
		for range 1000 {
			i, r := w.next()
			if r != round {
				t.Fatalf("round %d, want %d", r, round)
			}
			visited = append(visited, i)
		}
		if slices.Equal(visited, first) {
			t.Error("two rounds in the same order")
		}
		first = slices.Clone(visited)
		slices.Sort(visited)
		if len(slices.Compact(visited)) != 1000 {
			t.Fatalf("round %d misses some", round)
		}
	}
}
