package main

import (
	"runtime"
	"time"

	"headcount/fsm"
)

// applyRounds is how often each rate is measured, by turns with the machine's limits.
const applyRounds = 7

// applyEntries is how many entries one rate is measured with in a round, at most.
const applyEntries = 200

// applyRate is how fast one kind of batch is applied.
type applyRate struct {
	Rate            float64 `json:"membershipsPerSecond"` // acknowledging the outbox included
	Allocations     float64 `json:"allocationsPerMembership"`
	AllocatedBytes  float64 `json:"allocatedBytesPerMembership"`
	OfDependent     float64 `json:"ofDependentReads"` // ratio to the machine's limit in the same round
	OfDependentHuge float64 `json:"ofDependentReadsInHugePages"`
	OfIndependent   float64 `json:"ofIndependentReads"`
	OfIndependHuge  float64 `json:"ofIndependentReadsInHugePages"`
}

// applyFigures are medians over the rounds.
type applyFigures struct {
	Members   int                    `json:"members"`
	Holds     usage                  `json:"holds"`
	HugePages int64                  `json:"hugePageBytes"` // of the process, before the limits are measured
	Limits    limits                 `json:"limits"`
	Kinds     map[string]applyRate   `json:"kinds"`
	Rounds    map[string][]applyRate `json:"rounds"`
}

// applyKinds in the order in which they are measured and printed.
var applyKinds = []string{"create", "renew", "half create, half renew", "unchanged"}

// applier fills and applies entries of every kind.
type applier struct {
	*shard
	renewed   *walk
	unchanged *walk
	entries   []*entry
}

func measureApply(j job) (*applyFigures, error) {
	runtime.GOMAXPROCS(1) // collecting garbage must share the core with Apply
	entries := min(applyEntries, max(j.Members/batchRecords/10, 1))
	// Half of the creates come before the size that is asked for, half after it.
	created := applyRounds * entries * batchRecords * 3 / 2
	begin := max(j.Members-created/2, j.Members/2)
	a := &applier{
		shard:   newShard(newPopulation(zipfSplit(begin+created, j.Segments), j.Seed)),
		entries: newEntries(entries),
	}
	g := newGauge()
	a.begin()
	if err := a.grow(begin, nil); err != nil {
		return nil, err
	}
	a.renewed, a.unchanged = newWalk(begin, j.Seed+2), newWalk(begin, j.Seed+3)
	f := &applyFigures{Members: j.Members, Holds: g.collected(a.machine), HugePages: hugePageBytes(), Rounds: map[string][]applyRate{}}
	footprint := f.Holds.Mapped
	if footprint == 0 {
		footprint = f.Holds.Heap
	}
	m, err := newLimitsMeter(int(footprint), readsPerRound(j.Members), j.Seed)
	if err != nil {
		return nil, err
	}
	defer m.close()
	for range applyRounds {
		for _, kind := range applyKinds {
			rate, err := a.round(kind)
			if err != nil {
				return nil, err
			}
			f.Rounds[kind] = append(f.Rounds[kind], rate.against(m.round()))
		}
	}
	f.Limits = m.median()
	f.Kinds = map[string]applyRate{}
	for kind, rounds := range f.Rounds {
		f.Kinds[kind] = medianRate(rounds)
	}
	return f, a.verify()
}

// round encodes a round's entries, and then applies them.
func (a *applier) round(kind string) (applyRate, error) {
	for _, e := range a.entries {
		e.reset()
		a.fill(e, kind)
		a.seal(e)
	}
	var before, after runtime.MemStats
	var took time.Duration
	runtime.ReadMemStats(&before)
	for _, e := range a.entries {
		batch, ack, err := a.apply(e)
		if err != nil {
			return applyRate{}, err
		}
		took += batch + ack
	}
	runtime.ReadMemStats(&after)
	records := len(a.entries) * batchRecords
	return applyRate{
		Rate:           perSecond(records, took),
		Allocations:    float64(after.Mallocs-before.Mallocs) / float64(records),
		AllocatedBytes: float64(after.TotalAlloc-before.TotalAlloc) / float64(records),
	}, nil
}

// fill fills an entry with one kind of puts.
func (a *applier) fill(e *entry, kind string) {
	for e.count < batchRecords {
		switch {
		case kind == "unchanged":
			// As it was when it was created: earlier, or the same, whatever came since.
			i, _ := a.unchanged.next()
			e.put(a.people, i, 0, fsm.Unchanged)
		case kind == "create", kind != "renew" && e.count%2 == 0:
			a.create(e)
		default:
			i, round := a.renewed.next()
			e.put(a.people, i, round, fsm.Renewed)
		}
	}
}

// against puts the rate beside the limits.
func (r applyRate) against(l limits) applyRate {
	r.OfDependent, r.OfDependentHuge = r.Rate/l.Dependent, r.Rate/l.DependentHuge
	r.OfIndependent, r.OfIndependHuge = r.Rate/l.Independent, r.Rate/l.IndependentHuge
	return r
}

func medianRate(rounds []applyRate) applyRate {
	return applyRate{
		Rate:            medianOf(rounds, func(r applyRate) float64 { return r.Rate }),
		Allocations:     medianOf(rounds, func(r applyRate) float64 { return r.Allocations }),
		AllocatedBytes:  medianOf(rounds, func(r applyRate) float64 { return r.AllocatedBytes }),
		OfDependent:     medianOf(rounds, func(r applyRate) float64 { return r.OfDependent }),
		OfDependentHuge: medianOf(rounds, func(r applyRate) float64 { return r.OfDependentHuge }),
		OfIndependent:   medianOf(rounds, func(r applyRate) float64 { return r.OfIndependent }),
		OfIndependHuge:  medianOf(rounds, func(r applyRate) float64 { return r.OfIndependHuge }),
	}
}

func (f *applyFigures) rows() []row {
	at := " at " + millions(f.Members)
	rows := f.Limits.rows()
	rows = append(rows, row{What: "held in huge pages" + at, Value: float64(f.HugePages) / (1 << 20), Unit: "MiB"})
	for _, kind := range applyKinds {
		r := f.Kinds[kind]
		rows = append(rows,
			row{What: kind + at, Value: r.Rate, Unit: "memberships/s"}.atLeast(2_500_000),
			row{What: "  to dependent reads", Value: r.OfDependent, Unit: "ratio"}.atLeast(0.25),
			row{What: "  to dependent reads in huge pages", Value: r.OfDependentHuge, Unit: "ratio"},
			row{What: "  to independent reads", Value: r.OfIndependent, Unit: "ratio"},
			row{What: "  to independent reads in huge pages", Value: r.OfIndependHuge, Unit: "ratio"},
			row{What: "  allocations", Value: r.Allocations, Unit: "per membership"}.atMost(allocationsMax),
		)
	}
	return rows
}

// allocationsMax is below one allocation for fifty memberships: what an entry of a
// thousand takes for itself is no membership's.
const allocationsMax = 0.02
