package main

import (
	"slices"
	"time"
)

const (
	manySegments      = 10_000
	membersInEach     = 10
	manySegmentsReads = 101
)

// segmentsFigures is what very many nearly empty segments cost.
type segmentsFigures struct {
	Segments  int     `json:"segments"`
	Members   int     `json:"members"`
	AsItIs    usage   `json:"asItIs"`
	Collected usage   `json:"collected"`
	Read      float64 `json:"countsMilliseconds"`        // median, within one bucket
	Advance   float64 `json:"countsAdvanceMilliseconds"` // median, when a bucket has ended since
	Tick      float64 `json:"tickMilliseconds"`
	Ticked    int64   `json:"ticked"`
}

func measureSegments(j job) (*segmentsFigures, error) {
	people := newPopulation(evenSplit(manySegments*membersInEach, manySegments), j.Seed)
	people.nearIn2 = true
	s := newShard(people)
	g := newGauge()
	s.begin()
	if err := s.grow(people.size, nil); err != nil {
		return nil, err
	}
	s.ack()
	f := &segmentsFigures{Segments: manySegments, Members: people.size, AsItIs: g.read(s.machine)}
	f.Collected = g.collected(s.machine)
	if err := s.verify(); err != nil {
		return nil, err
	}
	f.Read = medianOf(slices.Repeat([]int64{born}, manySegmentsReads), s.readCounts)
	var minutes []int64
	for i := range int64(manySegmentsReads) {
		minutes = append(minutes, born+(i+1)*bucketSeconds)
	}
	f.Advance = medianOf(minutes, s.readCounts)
	f.Tick, f.Ticked = s.tickNear()
	return f, s.afterTick(newWalk(people.size, j.Seed+2), people.size, func() error { return nil }, func(time.Duration, time.Duration) {})
}

// readCounts reads all counts at an instant and returns how long it took, in
// milliseconds.
func (s *shard) readCounts(at int64) float64 {
	var sum int64
	began := time.Now()
	s.machine.Counts(at, func(_ string, count int64) { sum += count })
	return float64(time.Since(began)) / 1e6
}

func (f *segmentsFigures) rows() []row {
	each := func(u usage) float64 { return float64(u.total()) / float64(f.Segments) }
	return []row{
		{What: "10,000 segments of 10: heap + mapped as it is", Value: each(f.AsItIs), Unit: "B/segment"},
		{What: "  after a collection", Value: each(f.Collected), Unit: "B/segment"},
		{What: "  counts of all, read", Value: f.Read, Unit: milliseconds},
		{What: "  counts of all, a minute later", Value: f.Advance, Unit: milliseconds},
		{What: "  tick that ends half", Value: f.Tick, Unit: milliseconds},
	}
}
