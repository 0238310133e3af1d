package slab

import "runtime"

const (
	pageBytes     = 4 << 10
	hugePageBytes = 2 << 20
)

// mapping is memory outside Go's heap. It is given back when nothing refers to the
// mapping any more.
type mapping struct{ bytes []byte }

// mapBytes returns size bytes of zeros. It panics when there is no memory left, as
// the Go runtime does.
func mapBytes(size int) *mapping {
	b := acquire(size)
	m := &mapping{b}
	runtime.AddCleanup(m, release, b)
	return m
}

// preferHuge asks the kernel to put what is touched from now on into huge pages. Without
// them all works as well, slower.
func (m *mapping) preferHuge() { advise(m.bytes) }

// populate touches all of it.
func (m *mapping) populate() {
	if populate(m.bytes) {
		return
	}
	for i := 0; i < len(m.bytes); i += pageBytes {
		m.bytes[i] = 0
	}
}
