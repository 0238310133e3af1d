package slab

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// acquire maps memory, whole pages. What has room for a huge page begins where one may: the
// kernel would put it anywhere, and what lies across the end of a mapping is in ordinary pages.
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
// It returns false where that is not allowed.
func move(from, to []byte) bool {
	p, q := unsafe.Pointer(unsafe.SliceData(from)), unsafe.Pointer(unsafe.SliceData(to))
	_, err := unix.MremapPtr(p, uintptr(len(from)), q, uintptr(len(to)), unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED)
	switch err {
	case nil:
		return true
	case unix.ENOSYS, unix.EPERM:
		return false
	default: // the kernel may have unmapped the other memory before it failed
		panic(fmt.Sprintf("slab: out of memory: moving %d bytes: %v", len(from), err))
	}
}

// hugePages says whether the kernel gives huge pages to who asks for them.
var hugePages = func() bool {
	const dir = "/sys/kernel/mm/transparent_hugepage/"
	enabled, err := os.ReadFile(dir + "enabled")
	if err != nil || bytes.Contains(enabled, []byte("[never]")) {
		return false
	}
	size, err := os.ReadFile(dir + "hpage_pmd_size")
	return err == nil && string(bytes.TrimSpace(size)) == strconv.Itoa(hugePageBytes)
}()

func advise(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }

// populate works since Linux 5.14.
func populate(b []byte) { _ = unix.Madvise(b, unix.MADV_POPULATE_WRITE) }
