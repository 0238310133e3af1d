//go:build !linux

package slab

// Elsewhere the memory lies on Go's heap: correct, and larger between collections.
func acquire(size int) []byte { return make([]byte, size) }

func release([]byte) {}

const hugePages = false

func move(_, _ []byte) bool { return false }

func advise([]byte) {}

func populate([]byte) {}
