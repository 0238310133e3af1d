package main

import (
	"fmt"
	"time"

	"headcount/fsm"
)

// stallFigures is how long single calls hold up everything behind them.
type stallFigures struct {
	Members   int     `json:"members"`
	Snapshots int     `json:"snapshots"` // persisted meanwhile, one after the other
	Snapshot  spread  `json:"snapshot"`  // the calls of Snapshot, milliseconds
	Growth    spread  `json:"growth"`    // Apply of one entry, milliseconds
	AfterTick spread  `json:"afterTick"`
	Both      spread  `json:"both"`
	Acks      spread  `json:"acks"`
	Ticked    int64   `json:"ticked"` // memberships that the tick ended
	Tick      float64 `json:"tickMilliseconds"`
}

func measureStall(j job) (*stallFigures, error) {
	people := newPopulation(zipfSplit(j.Members, j.Segments), j.Seed)
	people.nearIn2 = true
	s := newShard(people)
	s.begin()
	p := newPersister(s.machine, j.Directory)
	growth, after, both, acks := newTimes(), newTimes(), newTimes(), newTimes()
	stretch := growth
	each := func(batch, ack time.Duration) {
		stretch.add(batch)
		both.add(batch)
		if ack > 0 {
			acks.add(ack)
		}
	}
	f := &stallFigures{Members: j.Members}
	step := func() error { return nil }
	if j.Snapshots {
		step = p.turn
	}
	for to := 0; to < j.Members; {
		to = min(to+batchRecords, j.Members)
		if err := step(); err != nil {
			return nil, err
		}
		if err := s.grow(to, each); err != nil {
			return nil, err
		}
	}
	if err := s.verify(); err != nil {
		return nil, err
	}
	f.Tick, f.Ticked = s.tickNear()
	stretch = after
	if err := s.afterTick(newWalk(j.Members, j.Seed+2), j.Members/2, step, each); err != nil {
		return nil, err
	}
	if err := p.finish(); err != nil {
		return nil, err
	}
	f.Snapshots, f.Snapshot = p.persisted, p.calls.spread()
	f.Growth, f.AfterTick, f.Both, f.Acks = growth.spread(), after.spread(), both.spread(), acks.spread()
	return f, s.verify()
}

// tickNear ends all near memberships by a tick and returns how long its Apply took, in
// milliseconds, and how many ended.
func (s *shard) tickNear() (took float64, ended int64) {
	s.now = born + daySeconds
	before := s.machine.Stats().Memberships
	d := s.applyOther(fsm.AppendTick(nil, fsm.Tick{Now: s.now, Scheduled: s.now}))
	for segment := range s.heldNear {
		s.heldNear[segment] = 0
	}
	return float64(d) / 1e6, before - s.machine.Stats().Memberships
}

// afterTick puts n memberships along the walk, of which the near ones have ended and
// begin anew, and the others are renewed.
func (s *shard) afterTick(w *walk, n int, step func() error, each func(batch, ack time.Duration)) error {
	if err := s.verify(); err != nil {
		return fmt.Errorf("after the tick: %w", err)
	}
	for n > 0 {
		if err := step(); err != nil {
			return err
		}
		e := s.take()
		for ; e.count < batchRecords && n > 0; n-- {
			i, round := w.next()
			if s.people.near(i) && round == 1 {
				e.put(s.people, i, 14*round, fsm.Created)
				s.count(i)
				continue
			}
			e.put(s.people, i, 14*round, fsm.Renewed)
		}
		s.seal(e)
		batch, ack, err := s.apply(e)
		if err != nil {
			return err
		}
		each(batch, ack)
	}
	return nil
}

func (f *stallFigures) rows() []row {
	with := ""
	if f.Snapshots > 0 {
		with = fmt.Sprintf(", %d snapshots persisted", f.Snapshots)
	}
	rows := f.Growth.applyRows("Apply, 0 to " + millions(f.Members) + with)
	rows = append(rows, row{What: fmt.Sprintf("tick that ends %s%s", millions(int(f.Ticked)), with), Value: f.Tick, Unit: milliseconds}.atMost(15))
	rows = append(rows, f.AfterTick.applyRows("Apply after the tick"+with)...)
	if f.Snapshots > 0 {
		rows = append(rows, row{What: "Snapshot() meanwhile, max", Value: f.Snapshot.Max, Unit: milliseconds}.atMost(1))
	}
	return rows
}
