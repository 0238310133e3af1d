package main

import (
	"runtime"
	"runtime/metrics"
	"time"

	"headcount/fsm"
)

// gcFigures is what the garbage collector costs under full load.
type gcFigures struct {
	Members int     `json:"members"`
	Growth  gcShare `json:"growth"` // from nothing to the members
	Load    gcShare `json:"load"`   // half creates, half renewals, at that size
}

// gcShare is the collector's processor time in one stretch. Cycles that ended in it
// count whole.
type gcShare struct {
	Cycles           uint64  `json:"cycles"`
	CollectorSeconds float64 `json:"collectorSeconds"`
	BusySeconds      float64 `json:"busySeconds"` // of all processors, the generator's included
	ApplySeconds     float64 `json:"applySeconds"`
}

// ofBusy is the collector's share of all work done.
func (s gcShare) ofBusy() float64 { return ratio(s.CollectorSeconds, s.BusySeconds) }

// ofApply is the collector's share of Apply and itself, the generator left out.
func (s gcShare) ofApply() float64 {
	return ratio(s.CollectorSeconds, s.CollectorSeconds+s.ApplySeconds)
}

func ratio(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return part / whole
}

// collector reads what the runtime says about garbage collection.
type collector struct{ samples []metrics.Sample }

func newCollector() *collector {
	return &collector{[]metrics.Sample{
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
		{Name: "/cpu/classes/total:cpu-seconds"},
		{Name: "/cpu/classes/idle:cpu-seconds"},
	}}
}

func (c *collector) read() gcShare {
	metrics.Read(c.samples)
	return gcShare{
		Cycles:           c.samples[0].Value.Uint64(),
		CollectorSeconds: c.samples[1].Value.Float64(),
		BusySeconds:      c.samples[2].Value.Float64() - c.samples[3].Value.Float64(),
	}
}

// during measures what the collector does while work runs, which returns the time that
// Apply took. The runtime adds up processor time when a cycle ends, so a stretch
// without one shows nothing, rightly: the collector did nothing.
func (c *collector) during(work func() (time.Duration, error)) (gcShare, error) {
	runtime.GC()
	before := c.read()
	took, err := work()
	after := c.read()
	return gcShare{
		Cycles:           after.Cycles - before.Cycles,
		CollectorSeconds: after.CollectorSeconds - before.CollectorSeconds,
		BusySeconds:      after.BusySeconds - before.BusySeconds,
		ApplySeconds:     took.Seconds(),
	}, err
}

func measureGC(j job) (*gcFigures, error) {
	load := max(j.Members/2, batchRecords) / batchRecords * batchRecords
	s := newShard(newPopulation(zipfSplit(j.Members+load, j.Segments), j.Seed))
	s.begin()
	c, f := newCollector(), &gcFigures{Members: j.Members}
	var err error
	f.Growth, err = c.during(func() (took time.Duration, err error) {
		err = s.grow(j.Members, func(batch, ack time.Duration) { took += batch + ack })
		return took, err
	})
	if err != nil {
		return nil, err
	}
	f.Load, err = c.during(func() (time.Duration, error) { return s.mixedLoad(load, newWalk(j.Members, j.Seed+2)) })
	if err != nil {
		return nil, err
	}
	return f, s.verify()
}

// mixedLoad puts n memberships, half new, half renewed along the walk, and returns the
// time that Apply took.
func (s *shard) mixedLoad(n int, renewed *walk) (took time.Duration, err error) {
	for range n / batchRecords {
		e := s.take()
		for e.count < batchRecords {
			s.create(e)
			i, round := renewed.next()
			e.put(s.people, i, round, fsm.Renewed)
		}
		s.seal(e)
		batch, ack, err := s.apply(e)
		if err != nil {
			return took, err
		}
		took += batch + ack
	}
	return took, nil
}

func (f *gcFigures) rows() []row {
	at := millions(f.Members)
	return []row{
		{What: "collector's share of Apply and itself, growing to " + at, Value: f.Growth.ofApply(), Unit: "ratio"},
		{What: "  cycles", Value: float64(f.Growth.Cycles)},
		{What: "collector's share of Apply and itself, load at " + at, Value: f.Load.ofApply(), Unit: "ratio"},
		{What: "  cycles", Value: float64(f.Load.Cycles)},
		{What: "  share of all processor time used", Value: f.Load.ofBusy(), Unit: "ratio"},
	}
}
