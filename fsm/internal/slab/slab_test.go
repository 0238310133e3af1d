package slab

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

// A slab and a plain map are driven by the same random operations.
func TestSlabBehavesLikeMap(t *testing.T) {
	type object [3]uint64
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			plain := []int{0, 24, 8 * 24, 100 * 24, 1 << 20, 1 << 30}[seed]
			s := New[object](8, plain)
			held := map[uint32]object{}
			var numbers []uint32
			for range 5_000 {
				if r.IntN(5) < 3 {
					number, o := s.Alloc()
					if _, twice := held[number]; twice || number == 0 || number >= s.End() {
						t.Fatalf("number %d is handed out, End is %d", number, s.End())
					}
					if *o != (object{}) {
						t.Fatalf("an object is handed out that holds %v", *o)
					}
					*o = object{r.Uint64(), r.Uint64(), r.Uint64()}
					held[number] = *o
					numbers = append(numbers, number)
				} else if n := len(numbers); n > 0 {
					i := r.IntN(n)
					s.Free(numbers[i])
					delete(held, numbers[i])
					numbers[i], numbers = numbers[n-1], numbers[:n-1]
				}
				if s.Used() != int64(len(held))*24 || s.Bytes() < s.Used() {
					t.Fatalf("%d objects take %d bytes of %d", len(held), s.Used(), s.Bytes())
				}
			}
			for number, want := range held {
				if got := *s.At(number); got != want {
					t.Fatalf("object %d is %v, want %v", number, got, want)
				}
			}
		})
	}
}

// Whoever holds the slab may use its objects, however often the collector runs; the
// memory of slabs that nobody holds is given back.
func TestMemoryLivesAsLongAsItsSlab(t *testing.T) {
	kept := New[[512]uint64](64, 1<<20)
	for i := range uint64(300) {
		_, o := kept.Alloc()
		o[0], o[511] = i, i
	}
	for range 20 {
		gone := New[[512]uint64](64, 1<<20)
		for range 100 {
			_, o := gone.Alloc()
			o[0] = 1
		}
		runtime.GC()
	}
	for i := range uint64(300) {
		if o := kept.At(uint32(i + 1)); o[0] != i || o[511] != i {
			t.Fatalf("object %d holds %d and %d", i+1, o[0], o[511])
		}
	}
}

func TestSlabOfObjectsTooSmallIsRefused(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("objects that cannot hold a number are taken")
		}
	}()
	New[uint16](8, 0)
}
