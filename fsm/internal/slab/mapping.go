package slab

import "runtime"

const (
	pageBytes     = 4 << 10
	hugePageBytes = 2 << 20
)

// mapping is memory outside Go's heap. It is given back when nothing refers to the
// mapping any more.
type mapping struct {
	bytes   []byte
	cleanup runtime.Cleanup
}

// mapBytes returns size bytes of zeros. It panics when there is no memory left, as
// the Go runtime does.
func mapBytes(size int) *mapping {
	b := acquire(size)
	m := &mapping{bytes: b}
	m.cleanup = runtime.AddCleanup(m, release, b)
	return m
}

// lieIn puts what is from offset at on into the memory of another mapping, as far as that
// goes. It stays at its address, and nobody may be using it meanwhile. It returns false,
// and has changed nothing, where that is not allowed.
func (m *mapping) lieIn(other *mapping, at int) bool {
	copy(other.bytes, m.bytes[at:])
	if !move(other.bytes, m.bytes[at:at+len(other.bytes)]) {
		return false
	}
	other.cleanup.Stop()
	other.bytes = nil
	return true
}

// preferHuge asks the kernel to put what is touched from now on into huge pages. Without
// them all works as well, slower.
func (m *mapping) preferHuge() { advise(m.bytes) }

// populate has the kernel clear all of it, and then touches it: under a hypervisor, the first
// who touches a page may have to wait for that as well.
func (m *mapping) populate() {
	populate(m.bytes)
	for i := 0; i < len(m.bytes); i += pageBytes {
		m.bytes[i] = 0
	}
}
