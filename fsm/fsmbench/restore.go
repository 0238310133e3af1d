package main

import (
	"fmt"
	"os"
	"time"

	"headcount/fsm"
)

// persisted says what a snapshot's file must restore to.
type persisted struct {
	Members int    `json:"members"`
	Digest  uint64 `json:"digest,string"`
}

// persistOnly writes the snapshot that is to be restored, when the part that measures
// snapshots was not asked for.
func persistOnly(j job) (*persisted, error) {
	s := newShard(newPopulation(zipfSplit(j.Members, j.Segments), j.Seed))
	s.begin()
	if err := s.grow(j.Members, nil); err != nil {
		return nil, err
	}
	s.ack()
	p, _, err := persist(s.machine, j.Path)
	if err != nil {
		return nil, err
	}
	<-p.done
	return &persisted{Members: j.Members, Digest: s.machine.Stats().Digest}, p.err
}

// restoreFigures is how fast a snapshot becomes a machine.
type restoreFigures struct {
	Members   int     `json:"members"`
	Seconds   float64 `json:"seconds"` // from a file that the kernel has in memory
	Rate      float64 `json:"membershipsPerSecond"`
	AsItIs    usage   `json:"asItIs"`
	Collected usage   `json:"collected"`
}

func measureRestore(j job) (*restoreFigures, error) {
	file, err := os.Open(j.Path)
	if err != nil {
		return nil, fmt.Errorf("opening the snapshot: %w", err)
	}
	defer file.Close()
	g := newGauge()
	m := fsm.New(config)
	began := time.Now()
	if err := m.Restore(file); err != nil {
		return nil, fmt.Errorf("restoring: %w", err)
	}
	took := time.Since(began)
	f := &restoreFigures{Members: j.Members, Seconds: took.Seconds(), Rate: perSecond(j.Members, took), AsItIs: g.read(m)}
	f.Collected = g.collected(m)
	if got := m.Stats(); got.Digest != j.Digest || got.Memberships != int64(j.Members) {
		return nil, fmt.Errorf("restored %d memberships, digest %016x; %d with digest %016x were persisted",
			got.Memberships, got.Digest, j.Members, j.Digest)
	}
	return f, nil
}

func (f *restoreFigures) rows() []row {
	return []row{
		row{What: "Restore of " + millions(f.Members), Value: f.Rate, Unit: "memberships/s"}.atLeast(8_000_000),
		{What: "heap + mapped after a restore and a collection", Value: float64(f.Collected.total()) / float64(f.Members), Unit: perMembership},
	}
}
