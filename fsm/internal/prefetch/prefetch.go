package prefetch

import "unsafe"

// Of begins to read the cache line in which *p begins. It reads nothing of it, so that p
// may point to anything, and others may be writing there.
func Of[T any](p *T) { line(unsafe.Pointer(p)) }

// All begins to read all cache lines of *p, which begins where one does.
func All[T any](p *T) {
	var object T
	span(unsafe.Pointer(p), unsafe.Sizeof(object))
}
