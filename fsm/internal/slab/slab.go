package slab

import (
	"math/bits"
	"unsafe"
)

// Slab hands out objects: one T each, or a run of them. Make one with [New] or [NewRuns].
type Slab[T any] struct {
	chunks  []*T          // the first object of each
	size    uintptr       // of an object, in bytes
	memory  []*mapping    // of the chunks, which it keeps alive
	shift   uint          // a chunk holds 1<<shift objects
	mask    uint32        // 1<<shift - 1
	plain   uint32        // objects before the memory is asked to be in huge pages
	next    uint32        // the lowest number never handed out
	cleared int           // bytes, from the first, that were cleared before they were handed out
	freed   uint32        // the object freed last, whose first word is the one freed before it
	holding int           // objects handed out and not freed
	small   int           // bytes in ordinary pages that should be in huge ones: the first so many
	ahead   chan *mapping // the next chunk, being prepared; nil: none is
	better  chan *mapping // what the last of the small bytes will lie in; nil: none is prepared
}

// New returns an empty slab that maps chunkObjects objects at a time, a power of two.
// Once it holds more than plainBytes, it asks for huge pages for what follows: random
// access to much memory is faster with them, and a little memory is better off without.
// What it has mapped before is put into huge pages by [Slab.Gather].
func New[T any](chunkObjects, plainBytes int) Slab[T] { return NewRuns[T](1, chunkObjects, plainBytes) }

// NewRuns is New with objects that are runs of so many Ts.
func NewRuns[T any](length, chunkObjects, plainBytes int) Slab[T] {
	var element T
	size := length * int(unsafe.Sizeof(element))
	if size < int(unsafe.Sizeof(uint32(0))) || chunkObjects&(chunkObjects-1) != 0 {
		panic("slab: objects of less than four bytes, or chunks not a power of two")
	}
	return Slab[T]{size: uintptr(size), shift: uint(bits.TrailingZeros(uint(chunkObjects))), mask: uint32(chunkObjects) - 1, plain: uint32(plainBytes / size), next: 1}
}

// At returns the object with this number, which must have been handed out: the first of its
// run.
func (s *Slab[T]) At(number uint32) *T {
	first := s.chunks[number>>(s.shift&31)] // which spares the compiler's check of the shift
	return (*T)(unsafe.Add(unsafe.Pointer(first), uintptr(number&s.mask)*s.size))
}

// Run returns the object with this number whole.
func (s *Slab[T]) Run(number uint32) []T {
	var element T
	return unsafe.Slice(s.At(number), s.size/unsafe.Sizeof(element))
}

// Alloc hands out an object, zeroed.
func (s *Slab[T]) Alloc() (number uint32, object *T) {
	s.holding++
	if number = s.freed; number != 0 {
		object = s.At(number)
		s.freed = *nextFreed(object)
		clear(s.Run(number))
		return number, object
	}
	if int(s.next>>s.shift) == len(s.chunks) {
		s.grow()
	}
	number = s.next
	s.next++
	// Clearing a chunk may take as long as filling a quarter of one, and at times three times that.
	if s.next > s.plain && s.ahead == nil && s.next&(1<<s.shift-1) >= 1<<s.shift/2 {
		s.ahead = prepare(s.chunkBytes())
	}
	if s.next == 0 {
		panic("slab: more than 2³² objects")
	}
	return number, s.At(number)
}

// Gather puts, once the slab is large enough for huge pages, what would have room in one and
// was mapped before into one, and does nothing otherwise. Nobody may read or write an object
// meanwhile; pointers to them stay good. It takes as long as copying 2 MiB does, and returns
// false if there is nothing to do. (The kernel would do it as well, if it were asked for huge
// pages later on: some at a time, and whoever needs one of them meanwhile waits, 25 ms for
// eight.)
func (s *Slab[T]) Gather() bool {
	if s.small == 0 || s.next <= s.plain {
		return false
	}
	for ; s.small-hugePageBytes >= int(s.next)*s.objectBytes(); s.small -= hugePageBytes {
		m, at := s.lastSmall() // nothing has been there yet
		advise(m.bytes[at : at+hugePageBytes])
	}
	if s.better == nil {
		s.better = prepare(hugePageBytes)
		return true
	}
	select {
	case huge := <-s.better:
		s.better = nil
		if m, at := s.lastSmall(); m.lieIn(huge, at) {
			s.small -= hugePageBytes
		} else {
			s.small = 0
		}
	default: // it is not ready yet
	}
	return true
}

// lastSmall returns where the last of the small bytes are that have room in one huge page.
func (s *Slab[T]) lastSmall() (m *mapping, at int) {
	from := s.small - hugePageBytes
	return s.memory[from/s.chunkBytes()], from % s.chunkBytes()
}

// Free takes an object back. Its number must not be used until it is handed out again.
func (s *Slab[T]) Free(number uint32) {
	s.holding--
	*nextFreed(s.At(number)) = s.freed
	s.freed = number
}

// nextFreed is where a freed object keeps the number of the one freed before it.
func nextFreed[T any](object *T) *uint32 { return (*uint32)(unsafe.Pointer(object)) }

func (s *Slab[T]) grow() {
	m := s.nextChunk()
	s.memory = append(s.memory, m)
	s.chunks = append(s.chunks, (*T)(unsafe.Pointer(unsafe.SliceData(m.bytes))))
}

func (s *Slab[T]) nextChunk() *mapping {
	if s.ahead != nil {
		m := <-s.ahead
		s.ahead = nil
		s.cleared = (len(s.chunks) + 1) * s.chunkBytes()
		return m
	}
	m := mapBytes(s.chunkBytes())
	if s.next > s.plain {
		m.preferHuge()
	} else if hugePages && len(m.bytes)%hugePageBytes == 0 {
		s.small += len(m.bytes)
	}
	return m
}

// prepare maps memory and has the kernel clear it, which for a huge page takes as long
// as hundreds of writes, beside the caller. It ends by itself within milliseconds,
// whether or not anybody waits for the memory.
func prepare(size int) chan *mapping {
	ready := make(chan *mapping, 1)
	go func() {
		m := mapBytes(size)
		m.preferHuge()
		m.populate()
		ready <- m
	}()
	return ready
}

func (s *Slab[T]) objectBytes() int { return int(s.size) }

func (s *Slab[T]) chunkBytes() int { return s.objectBytes() << s.shift }

// End returns a number above every one handed out so far.
func (s *Slab[T]) End() uint32 { return s.next }

// Used returns how much memory the objects take that are handed out, in bytes.
func (s *Slab[T]) Used() int64 { return int64(s.holding) * int64(s.objectBytes()) }

// Bytes returns how much memory the slab has touched, in bytes: whole pages of the
// kind that it lies on, and what is prepared. What was freed stays with the slab, for
// later objects.
func (s *Slab[T]) Bytes() int64 {
	if s.next == 1 {
		return 0
	}
	touched := int64(s.next) * int64(s.objectBytes())
	page := int64(pageBytes)
	if s.next > s.plain {
		page = hugePageBytes
	}
	touched = min((touched+page-1)/page*page, int64(len(s.chunks)*s.chunkBytes()))
	touched = max(touched, int64(s.cleared))
	if s.ahead != nil {
		touched += int64(s.chunkBytes())
	}
	if s.better != nil {
		touched += hugePageBytes
	}
	return touched
}
