package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	"headcount/fsm"
)

// usage is the memory of this process, in bytes.
type usage struct {
	Heap   int64 `json:"heapBytes"`   // what Go's runtime has in use: heap, stacks, its own tables
	Mapped int64 `json:"mappedBytes"` // what the machine has mapped beside Go's heap
	RSS    int64 `json:"rssBytes"`    // what the kernel says is resident; 0 where it does not say
}

func (u usage) total() int64 { return u.Heap + u.Mapped }

func (u usage) minus(v usage) usage {
	return usage{u.Heap - v.Heap, u.Mapped - v.Mapped, u.RSS - v.RSS}
}

func (u usage) peak(v usage) usage {
	return usage{max(u.Heap, v.Heap), max(u.Mapped, v.Mapped), max(u.RSS, v.RSS)}
}

// gauge reads the usage of this process. It does not stop the world and allocates
// nothing, so that it may be read while something is measured.
type gauge struct {
	samples []metrics.Sample
	base    usage // before there was a machine
}

// newGauge takes what is used now, after a collection, for the generator's.
func newGauge() *gauge {
	g := &gauge{samples: []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}}
	g.read(nil)
	debug.FreeOSMemory()
	g.base = g.read(nil)
	return g
}

// mapper is a machine that holds memory beside Go's heap.
type mapper interface{ MappedBytes() int64 }

// read returns the usage beyond the generator's.
func (g *gauge) read(m *fsm.Machine) usage {
	metrics.Read(g.samples)
	u := usage{
		Heap: int64(g.samples[0].Value.Uint64() - g.samples[1].Value.Uint64() - g.samples[2].Value.Uint64()),
		RSS:  residentBytes(),
	}
	if m != nil {
		if maps, ok := any(m).(mapper); ok {
			u.Mapped = maps.MappedBytes()
		}
	}
	return u.minus(g.base)
}

// collected returns the usage after a collection.
func (g *gauge) collected(m *fsm.Machine) usage {
	runtime.GC()
	runtime.GC() // the first may have found a sweep that was under way
	return g.read(m)
}
