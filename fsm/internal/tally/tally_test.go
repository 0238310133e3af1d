package tally

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// A tally and a plain map are driven by the same random operations.
func TestTallyBehavesLikeMap(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			m := NewMemory()
			var a Tally
			counts := map[uint32]int64{}
			width := []uint32{1, 70, 600, 20_000, 1 << 20}[seed%5]
			base := []uint32{0, 500, 29_000_000, 1<<32 - 1<<21}[seed%4]
			drained := uint32(0)
			var held []uint32
			// What was probed before, of any bucket, is used for what comes: nothing but speed may
			// depend on it.
			var probes [16]Probe
			probe := func(b uint32) *Probe {
				p := &probes[r.IntN(len(probes))]
				if r.IntN(2) == 0 {
					p.Cell(&a, m, b)
				}
				if r.IntN(2) == 0 {
					p.Number(m)
				}
				if r.IntN(4) == 0 {
					return &probes[r.IntN(len(probes))]
				}
				return p
			}
			for range []int{100, 3_000, 30_000}[seed%3] {
				b := base + 1 + uint32(r.IntN(int(width)))
				if r.IntN(3) == 0 {
					b = base + 1 + b%2
				}
				switch r.IntN(100) {
				default:
					if b > drained {
						probe(b).Add(&a, m, b)
						counts[b]++
						held = append(held, b)
					}
				case 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20:
					if len(held) > 0 {
						i := r.IntN(len(held))
						b := held[i]
						held[i] = held[len(held)-1]
						held = held[:len(held)-1]
						if b > drained {
							probe(b).Remove(&a, m, b)
							counts[b]--
						}
					}
				case 21, 22, 23:
					low, high := base+uint32(r.IntN(int(width)+200)), base+uint32(r.IntN(int(width)+200))
					want := int64(0)
					for b, n := range counts {
						if low < b && b <= high {
							want += n
						}
					}
					if got := a.Sum(m, low, high); got != want {
						t.Fatalf("(%d, %d] has %d, want %d", low, high, got, want)
					}
				case 24:
					if r.IntN(20) > 0 {
						continue
					}
					to := max(drained, base+uint32(r.IntN(int(width))))
					want := int64(0)
					for b, n := range counts {
						if b <= to {
							want += n
							delete(counts, b)
						}
					}
					if got := a.Drop(m, to); got != want {
						t.Fatalf("%d dropped, want %d", got, want)
					}
					drained = to
					probes = [16]Probe{}
				}
			}
			want := int64(0)
			for _, n := range counts {
				want += n
			}
			if got := a.Sum(m, 0, 1<<32-1); got != want {
				t.Fatalf("%d in all, want %d", got, want)
			}
			a.Clear(m)
			if n := m.Used(); n != 0 {
				t.Errorf("%d bytes are used by an empty tally", n)
			}
		})
	}
}
