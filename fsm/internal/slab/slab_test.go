package slab

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
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
				s.Gather()
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

// A slab that has become large lies in huge pages from its first chunk on, and has lost
// nothing, whatever is written, freed and handed out meanwhile.
func TestGatherLosesNothing(t *testing.T) {
	const chunk, plain = 1 << 14, 8 << 20 // chunks of 6 MiB, of which two are begun before
	s := New[[48]uint64](chunk, plain)
	var last uint32
	r := rand.New(rand.NewPCG(1, 2))
	held := map[uint32]uint64{}
	for range 4 * chunk {
		number, o := s.Alloc()
		o[47] = r.Uint64()
		held[number] = o[47]
		last = max(last, number)
		if other := 1 + r.Uint32N(last); held[other] != 0 {
			if r.IntN(8) == 0 {
				s.Free(other)
				delete(held, other)
			} else {
				held[other]++
				s.At(other)[47]++
			}
		}
		if small := s.next <= s.plain; s.Gather() && small {
			t.Fatal("the slab is put into huge pages before it is large")
		}
	}
	first := s.At(1)
	for deadline := time.Now().Add(time.Minute); s.Gather(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are still small", s.small)
		}
	}
	if s.small != 0 || s.better != nil {
		t.Errorf("%d bytes are small, %v is prepared", s.small, s.better)
	}
	checkAskedForHuge(t, s.memory)
	if s.At(1) != first {
		t.Error("an object has another address")
	}
	for number, want := range held {
		if got := s.At(number)[47]; got != want {
			t.Fatalf("object %d holds %d, want %d", number, got, want)
		}
	}
	if got, want := s.Bytes(), int64(len(s.chunks)*s.chunkBytes()); got > want+int64(s.chunkBytes()) || got < s.Used() {
		t.Errorf("%d bytes of %d are touched", got, want)
	}
}

// What was mapped and not used by the time when the slab becomes large is not touched for that.
func TestGatherTouchesNothingNew(t *testing.T) {
	const chunk = 1 << 15
	s := New[[32]uint64](chunk, 1<<20) // one chunk of 8 MiB
	for range 1<<20/256 + 1 {
		s.Alloc()
	}
	steps, want := 0, 0
	if hugePages {
		want = hugePageBytes
	}
	for deadline := time.Now().Add(time.Minute); s.Gather() && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if s.better != nil {
			steps = max(steps, s.small)
		}
	}
	if s.small != 0 || steps != want {
		t.Errorf("%d bytes are small, and up to %d were copied, want %d", s.small, steps, want)
	}
	checkAskedForHuge(t, s.memory)
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
