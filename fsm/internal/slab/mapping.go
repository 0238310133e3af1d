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
func mapBytes(size int, huge bool) *mapping {
	b := acquire(size, huge)
	m := &mapping{b}
	runtime.AddCleanup(m, release, b)
	return m
}
