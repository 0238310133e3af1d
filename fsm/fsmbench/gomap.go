package main

import (
	"fmt"
	"runtime"
	"time"
)

// goMapFigures is what a Go map takes for the same memberships, with the raw ID as its
// key: exact, like ours, but without buckets, snapshots or expiry.
type goMapFigures struct {
	Members   int     `json:"members"`
	Key       string  `json:"key"` // string, or array: 16 bytes, the longest of these IDs
	AsItIs    usage   `json:"asItIs"`
	Collected usage   `json:"collected"`
	Rate      float64 `json:"putsPerSecond"`
}

func measureGoMap(j job) (*goMapFigures, error) {
	p := newPopulation(zipfSplit(j.Members, j.Segments), j.Seed)
	f := &goMapFigures{Members: j.Members, Key: j.Key}
	var held any
	var size func() int
	g := newGauge()
	switch j.Key {
	case "string":
		maps := make([]map[string]uint32, j.Segments)
		held, size = maps, func() int { return sizeOf(maps) }
		f.Rate = fillMaps(p, maps, func(id []byte) string { return string(id) })
	case "array":
		maps := make([]map[[idBytesMax]byte]uint32, j.Segments)
		held, size = maps, func() int { return sizeOf(maps) }
		f.Rate = fillMaps(p, maps, func(id []byte) (key [idBytesMax]byte) { copy(key[:], id); return key })
	default:
		return nil, fmt.Errorf("there is no key %q", j.Key)
	}
	f.AsItIs = g.read(nil)
	f.Collected = g.collected(nil)
	if size() != j.Members {
		return nil, fmt.Errorf("the maps hold %d memberships, %d were put", size(), j.Members)
	}
	runtime.KeepAlive(held)
	return f, nil
}

// onePut is a put made ready outside the time measured.
type onePut struct {
	id      [idBytesMax]byte
	length  int
	segment int
	bucket  uint32
}

// fillMaps puts every membership into its segment's map and returns the rate.
func fillMaps[K comparable](p *population, maps []map[K]uint32, key func(id []byte) K) float64 {
	puts := make([]onePut, batchRecords)
	var took time.Duration
	for from := 0; from < p.size; from += batchRecords {
		ready := puts[:min(batchRecords, p.size-from)]
		for n := range ready {
			i, put := from+n, &ready[n]
			put.length = len(p.appendID(put.id[:0], i))
			put.segment, put.bucket = p.segment(i), uint32(p.expiry(i, 0)/bucketSeconds)
		}
		began := time.Now()
		for n := range ready {
			put := &ready[n]
			if maps[put.segment] == nil {
				maps[put.segment] = make(map[K]uint32)
			}
			maps[put.segment][key(put.id[:put.length])] = put.bucket
		}
		took += time.Since(began)
	}
	return perSecond(p.size, took)
}

func sizeOf[K comparable](maps []map[K]uint32) (n int) {
	for _, m := range maps {
		n += len(m)
	}
	return n
}

func (f *goMapFigures) rows() []row {
	name := "Go map[" + f.Key + "]uint32"
	if f.Key == "array" {
		name = "Go map[[16]byte]uint32"
	}
	name += " per segment, " + millions(f.Members)
	return []row{
		{What: name + ", as it is", Value: float64(f.AsItIs.total()) / float64(f.Members), Unit: perMembership},
		{What: "  after a collection", Value: float64(f.Collected.total()) / float64(f.Members), Unit: perMembership},
		{What: "  puts", Value: f.Rate, Unit: "memberships/s"},
	}
}
