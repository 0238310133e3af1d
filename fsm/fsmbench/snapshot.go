package main

import (
	"fmt"
	"path/filepath"
	"time"

	"headcount/fsm"
)

// snapshotCalls is how often Snapshot alone is called and released at once.
const snapshotCalls = 9

// snapshotRates are the renewals per second while a snapshot is being persisted.
var snapshotRates = []int{100_000, 500_000}

// snapshotFigures is what a snapshot costs while the machine works.
type snapshotFigures struct {
	Members int          `json:"members"`
	Holds   usage        `json:"holds"` // after a collection
	Calls   spread       `json:"calls"` // of Snapshot, milliseconds
	Quiet   persistRun   `json:"quiet"` // nobody writes
	Loaded  []persistRun `json:"loaded"`
	Digest  uint64       `json:"digest,string"` // of the one persisted in quiet
}

// persistRun is one snapshot persisted.
type persistRun struct {
	Asked   int     `json:"askedPerSecond"` // renewals
	Reached float64 `json:"reachedPerSecond"`
	Seconds float64 `json:"seconds"` // of Persist, the disk's sync included
	Bytes   int64   `json:"bytes"`
	Extra   usage   `json:"extra"` // the highest of each, beyond what was used before Snapshot
	Total   int64   `json:"extraHeapAndMappedBytes"`
	Samples int     `json:"samples"`
}

func measureSnapshot(j job) (*snapshotFigures, error) {
	s := newShard(newPopulation(zipfSplit(j.Members, j.Segments), j.Seed))
	g := newGauge()
	s.begin()
	if err := s.grow(j.Members, nil); err != nil {
		return nil, err
	}
	s.ack()
	f := &snapshotFigures{Members: j.Members, Holds: g.collected(s.machine)}
	var err error
	f.Digest = s.machine.Stats().Digest
	if f.Quiet, err = s.persistUnder(0, nil, g, j.Path); err != nil {
		return nil, err
	}
	w := newWalk(j.Members, j.Seed+2)
	if f.Calls, err = s.snapshotCalls(w); err != nil {
		return nil, err
	}
	for _, rate := range snapshotRates {
		run, err := s.persistUnder(rate, w, g, filepath.Join(j.Directory, "loaded.snapshot"))
		if err != nil {
			return nil, err
		}
		f.Loaded = append(f.Loaded, run)
	}
	return f, s.verify()
}

// snapshotCalls times Snapshot, with a batch between two.
func (s *shard) snapshotCalls(w *walk) (spread, error) {
	calls := newTimes()
	for range snapshotCalls {
		began := time.Now()
		snapshot, err := s.machine.Snapshot()
		calls.add(time.Since(began))
		if err != nil {
			return spread{}, fmt.Errorf("taking a snapshot: %w", err)
		}
		snapshot.Release()
		if _, err := s.renew(w); err != nil {
			return spread{}, err
		}
	}
	return calls.spread(), nil
}

// renew applies one batch of renewals and returns how long it took.
func (s *shard) renew(w *walk) (time.Duration, error) {
	e := s.take()
	for e.count < batchRecords {
		i, round := w.next()
		e.put(s.people, i, round, fsm.Renewed)
	}
	s.seal(e)
	batch, ack, err := s.apply(e)
	return batch + ack, err
}

// samplePause is how often the memory is looked at, in time and in batches.
const samplePause = 5 * time.Millisecond

// persistUnder persists a snapshot to a file while renewals come at a steady rate, so
// many per second, and looks at the memory all along.
func (s *shard) persistUnder(rate int, w *walk, g *gauge, path string) (persistRun, error) {
	before := g.collected(s.machine)
	run := persistRun{Asked: rate}
	began, sampled, batches := time.Now(), time.Time{}, 0
	p, _, err := persist(s.machine, path)
	if err != nil {
		return run, err
	}
	for done := false; !done; {
		done = p.isDone()
		if now := time.Now(); done || now.Sub(sampled) >= samplePause {
			extra := g.read(s.machine).minus(before)
			run.Extra, run.Total = run.Extra.peak(extra), max(run.Total, extra.total())
			run.Samples++
			sampled = now
		}
		if rate == 0 {
			time.Sleep(samplePause)
			continue
		}
		due := began.Add(time.Duration(batches) * time.Second * batchRecords / time.Duration(rate))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(min(wait, samplePause))
			continue
		}
		if _, err := s.renew(w); err != nil {
			<-p.done
			return run, err
		}
		batches++
	}
	run.Reached = perSecond(batches*batchRecords, time.Since(began))
	run.Seconds, run.Bytes = p.took.Seconds(), p.bytes
	return run, p.err
}

func (f *snapshotFigures) rows() []row {
	at := millions(f.Members)
	rows := []row{
		row{What: "Snapshot() at " + at + ", median", Value: f.Calls.P50, Unit: milliseconds}.atMost(1),
		row{What: "  max", Value: f.Calls.Max, Unit: milliseconds}.atMost(1),
		row{What: "stream", Value: float64(f.Quiet.Bytes) / float64(f.Members), Unit: perMembership}.atMost(16),
		{What: "Persist to a file, nobody writes", Value: f.Quiet.Seconds, Unit: "s"},
	}
	for _, run := range f.Loaded {
		extra := row{
			What:  fmt.Sprintf("extra memory under %s renewals/s", grouped(float64(run.Asked))),
			Value: ratio(float64(run.Total), float64(f.Holds.total())), Unit: "ratio",
		}
		if run.Asked == snapshotRates[0] {
			extra = extra.atMost(0.30)
		}
		rows = append(rows, extra,
			row{What: "  of it mapped", Value: ratio(float64(run.Extra.Mapped), float64(f.Holds.total())), Unit: "ratio"},
			row{What: "  RSS", Value: ratio(float64(run.Extra.RSS), float64(f.Holds.total())), Unit: "ratio"},
			row{What: "  renewals reached", Value: run.Reached, Unit: "memberships/s"},
			row{What: "  Persist", Value: run.Seconds, Unit: "s"},
		)
	}
	return rows
}
