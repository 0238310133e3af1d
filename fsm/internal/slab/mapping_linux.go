package slab

import (
	"fmt"
	"syscall"
)

func acquire(size int) []byte {
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(fmt.Sprintf("slab: out of memory: mapping %d bytes: %v", size, err))
	}
	return b
}

func release(b []byte) {
	if err := syscall.Munmap(b); err != nil {
		panic(fmt.Sprintf("slab: unmapping %d bytes: %v", len(b), err))
	}
}

func advise(b []byte) { _ = syscall.Madvise(b, syscall.MADV_HUGEPAGE) }

// madvPopulateWrite is MADV_POPULATE_WRITE, since Linux 5.14.
const madvPopulateWrite = 23

func populate(b []byte) bool { return syscall.Madvise(b, madvPopulateWrite) == nil }
