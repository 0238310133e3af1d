package slab

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Chunks with room for a huge page begin where one may.
func TestChunksBeginWhereHugePagesDo(t *testing.T) {
	for _, size := range []int{hugePageBytes, 3 * hugePageBytes, hugePageBytes + 16*pageBytes} {
		m := mapBytes(size)
		if at := uintptr(unsafe.Pointer(&m.bytes[0])); at%hugePageBytes != 0 {
			t.Errorf("%d bytes begin at %x", size, at)
		}
		m.bytes[0], m.bytes[size-1] = 1, 1
	}
}

// What lies in other memory is what it was, where it was, and may be written; and the other
// memory's address is nobody's.
func TestMemoryLiesInOther(t *testing.T) {
	m := mapBytes(3 * hugePageBytes)
	for i := range m.bytes {
		m.bytes[i] = byte(i % 251)
	}
	var left []unsafe.Pointer
	for at := 2 * hugePageBytes; at >= 0; at -= hugePageBytes {
		other := <-prepare(hugePageBytes)
		address := unsafe.Pointer(unsafe.SliceData(other.bytes))
		if !m.lieIn(other, at) {
			t.Fatalf("what is at %d does not lie in other memory", at)
		}
		// Whoever maps memory there now keeps it.
		p, err := unix.MmapPtr(-1, 0, address, hugePageBytes, unix.PROT_READ|unix.PROT_WRITE,
			unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_FIXED_NOREPLACE)
		if err != nil {
			t.Fatalf("the address that was left is not free: %v", err)
		}
		left = append(left, p)
	}
	waitForCleanups(t)
	for _, p := range left {
		*(*byte)(p) = 1
		unmap(p, hugePageBytes)
	}
	for i := range m.bytes {
		if m.bytes[i] != byte(i%251) {
			t.Fatalf("byte %d is %d", i, m.bytes[i])
		}
		m.bytes[i]++
	}
}

// waitForCleanups returns once what nothing refers to has been given back.
func waitForCleanups(t *testing.T) {
	for range 2 {
		done := make(chan bool)
		runtime.AddCleanup(new([64]byte), func(c chan bool) { close(c) }, done)
		runtime.GC()
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Fatal("no cleanup ran")
		}
	}
}

// checkAskedForHuge fails the test if some of the memory is not asked to be in huge pages.
func checkAskedForHuge(t *testing.T, memory []*mapping) {
	t.Helper()
	if !hugePages {
		return
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	asked := 0
	overlap := 0 // of the mapping that is being read with ours
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var from, to uintptr
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x ", &from, &to); n == 2 {
			overlap = 0
			for _, m := range memory {
				begin := uintptr(unsafe.Pointer(unsafe.SliceData(m.bytes)))
				begin, end := max(begin, from), min(begin+uintptr(len(m.bytes)), to)
				overlap += max(0, int(end)-int(begin))
			}
		}
		if flags, ok := strings.CutPrefix(lines.Text(), "VmFlags:"); ok && strings.Contains(flags+" ", " hg ") {
			asked += overlap
		}
	}
	all := 0
	for _, m := range memory {
		all += len(m.bytes)
	}
	if asked != all {
		t.Errorf("%d bytes of %d are asked to be in huge pages", asked, all)
	}
}
