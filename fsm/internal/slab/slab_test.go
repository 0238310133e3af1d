package slab

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
	"unsafe"
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
	const chunk, plain = 1 << 16, 5 << 20 // chunks of 2 MiB, of which three are begun before
	s := New[[4]uint64](chunk, plain)
	r := rand.New(rand.NewPCG(1, 2))
	held := map[uint32]uint64{}
	for range 6 * chunk {
		number, o := s.Alloc()
		if r.IntN(8) == 0 {
			s.Free(number)
		} else {
			o[3] = r.Uint64()
			held[number] = o[3]
		}
		if s.next <= s.plain {
			if s.Gather(); s.small != len(s.chunks)*s.chunkBytes() || s.better != nil {
				t.Fatalf("%d bytes are small of %d chunks, before the slab is large", s.small, len(s.chunks))
			}
		}
	}
	if s.small != 3*s.chunkBytes() {
		t.Fatalf("%d bytes were mapped before the slab was large", s.small)
	}
	first := s.At(1)
	for deadline := time.Now().Add(time.Minute); s.small > 0; s.Gather() {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are still small", s.small)
		}
		time.Sleep(time.Millisecond)
	}
	if s.better != nil {
		t.Error("memory is prepared that nobody will use")
	}
	if s.At(1) != first {
		t.Error("an object has another address")
	}
	for number, want := range held {
		if got := s.At(number)[3]; got != want {
			t.Fatalf("object %d holds %d, want %d", number, got, want)
		}
	}
	runtime.GC() // what was given back is not given back again
}

// Chunks with room for a huge page begin where one may.
func TestChunksBeginWhereHugePagesDo(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is mapped on Linux alone")
	}
	for _, size := range []int{hugePageBytes, 3 * hugePageBytes, hugePageBytes + pageBytes} {
		m := mapBytes(size)
		if at := uintptr(unsafe.Pointer(&m.bytes[0])); at%hugePageBytes != 0 {
			t.Errorf("%d bytes begin at %x", size, at)
		}
		m.bytes[0], m.bytes[size-1] = 1, 1
	}
}

// What lies in other memory is what it was, where it was, and may be written.
func TestMemoryLiesInOther(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is mapped on Linux alone")
	}
	m := mapBytes(3 * hugePageBytes)
	for i := range m.bytes {
		m.bytes[i] = byte(i % 251)
	}
	for at := 2 * hugePageBytes; at >= 0; at -= hugePageBytes {
		other := <-prepare(hugePageBytes)
		if !m.lieIn(other, at) {
			t.Fatalf("what is at %d does not lie in other memory", at)
		}
		if other.bytes != nil {
			t.Error("the other memory is in use twice")
		}
	}
	runtime.GC()
	for i := range m.bytes {
		if m.bytes[i] != byte(i%251) {
			t.Fatalf("byte %d is %d", i, m.bytes[i])
		}
		m.bytes[i]++
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
