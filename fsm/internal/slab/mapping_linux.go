package slab

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// acquire maps memory. What has room for a huge page begins where one may: the kernel
// would put it anywhere, and what lies across the end of a mapping is in ordinary pages.
func acquire(size int) []byte {
	mapped := size
	if size >= hugePageBytes {
		mapped += hugePageBytes
	}
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(mapped), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		panic(fmt.Sprintf("slab: out of memory: mapping %d bytes: %v", mapped, err))
	}
	before := 0
	if mapped != size {
		before = int(-uintptr(p) % hugePageBytes)
		unmap(p, before)
		unmap(unsafe.Add(p, before+size), mapped-before-size)
	}
	return unsafe.Slice((*byte)(unsafe.Add(p, before)), size)
}

func release(b []byte) { unmap(unsafe.Pointer(unsafe.SliceData(b)), len(b)) }

func unmap(p unsafe.Pointer, size int) {
	if size == 0 {
		return
	}
	if err := unix.MunmapPtr(p, uintptr(size)); err != nil {
		panic(fmt.Sprintf("slab: unmapping %d bytes: %v", size, err))
	}
}

// move moves memory to the address of other memory, which is given back: both whole pages.
func move(from, to []byte) bool {
	p, q := unsafe.Pointer(unsafe.SliceData(from)), unsafe.Pointer(unsafe.SliceData(to))
	_, err := unix.MremapPtr(p, uintptr(len(from)), q, uintptr(len(to)), unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED)
	return err == nil
}

func advise(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }

// populate works since Linux 5.14.
func populate(b []byte) { _ = unix.Madvise(b, unix.MADV_POPULATE_WRITE) }
