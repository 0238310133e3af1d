package main

import (
	"fmt"
	"math/bits"
	"time"
	"unsafe"
)

// line is one cache line.
type line [8]uint64

const lineBytes = 64

// field is memory of which single cache lines are read.
type field struct {
	memory []byte
	lines  []line
	at     uint64 // where the dependent reads have come to
	random uint64
	sink   uint64 // keeps the reads from being left out
}

// newField maps at least two lines and links them into one cycle in random order.
func newField(bytes int, huge bool, seed uint64) (*field, error) {
	bytes = max(bytes/lineBytes, 2) * lineBytes
	memory, err := mapMemory(bytes, huge)
	if err != nil {
		return nil, fmt.Errorf("mapping %d bytes: %w", bytes, err)
	}
	f := &field{
		memory: memory,
		lines:  unsafe.Slice((*line)(unsafe.Pointer(unsafe.SliceData(memory))), bytes/lineBytes),
		random: seed | 1,
	}
	linkCycle(f.lines, seed)
	return f, nil
}

func (f *field) close() { unmapMemory(f.memory) }

// linkCycle writes into each line the number of the next, so that following them
// visits all (S. Sattolo, "An algorithm to generate a random cyclic permutation", 1986).
func linkCycle(lines []line, seed uint64) {
	for i := range lines {
		lines[i][0] = uint64(i)
	}
	for i := len(lines) - 1; i > 0; i-- {
		seed += 0x9e3779b97f4a7c15
		j, _ := bits.Mul64(mix(seed), uint64(i)) // below i, never i itself
		lines[i][0], lines[j][0] = lines[j][0], lines[i][0]
	}
}

// dependent reads n lines, each of whose place is in the line before it.
func (f *field) dependent(n int) time.Duration {
	began, at := time.Now(), f.at
	for range n {
		at = f.lines[at][0]
	}
	f.at = at
	return time.Since(began)
}

// independent reads n lines whose places are computed, so that the processor may read
// many at a time. The places come from a multiplicative congruential generator, whose
// high bits are good enough and cost a few cycles.
func (f *field) independent(n int) time.Duration {
	began, random, sum := time.Now(), f.random, uint64(0)
	count := uint64(len(f.lines))
	for range n {
		random = random*0xd1342543de82ef95 + 1
		at, _ := bits.Mul64(random, count)
		sum += f.lines[at][0]
	}
	f.random, f.sink = random, f.sink+sum
	return time.Since(began)
}

// limits are the machine's rates of random reads of single cache lines, per second.
type limits struct {
	Bytes           int     `json:"bytes"`
	Dependent       float64 `json:"dependent"`
	DependentHuge   float64 `json:"dependentHugePages"`
	Independent     float64 `json:"independent"`
	IndependentHuge float64 `json:"independentHugePages"`
}

// limitsMeter measures the limits over one footprint, again and again.
type limitsMeter struct {
	small, huge *field
	reads       int // dependent ones in a round; four times as many independent
	rounds      []limits
}

func newLimitsMeter(bytes, reads int, seed uint64) (*limitsMeter, error) {
	small, err := newField(bytes, false, seed)
	if err != nil {
		return nil, err
	}
	huge, err := newField(bytes, true, seed)
	if err != nil {
		small.close()
		return nil, err
	}
	return &limitsMeter{small: small, huge: huge, reads: reads}, nil
}

func (m *limitsMeter) close() {
	m.small.close()
	m.huge.close()
}

// round measures each once.
func (m *limitsMeter) round() limits {
	const independents = 4
	l := limits{
		Bytes:           len(m.small.memory),
		Dependent:       perSecond(m.reads, m.small.dependent(m.reads)),
		DependentHuge:   perSecond(m.reads, m.huge.dependent(m.reads)),
		Independent:     perSecond(independents*m.reads, m.small.independent(independents*m.reads)),
		IndependentHuge: perSecond(independents*m.reads, m.huge.independent(independents*m.reads)),
	}
	m.rounds = append(m.rounds, l)
	return l
}

// median of each figure over the rounds.
func (m *limitsMeter) median() limits {
	return limits{
		Bytes:           len(m.small.memory),
		Dependent:       medianOf(m.rounds, func(l limits) float64 { return l.Dependent }),
		DependentHuge:   medianOf(m.rounds, func(l limits) float64 { return l.DependentHuge }),
		Independent:     medianOf(m.rounds, func(l limits) float64 { return l.Independent }),
		IndependentHuge: medianOf(m.rounds, func(l limits) float64 { return l.IndependentHuge }),
	}
}

// limitsFigures are the limits over several footprints.
type limitsFigures struct {
	Footprints []limits `json:"footprints"`
}

func measureLimits(j job) (*limitsFigures, error) {
	f := &limitsFigures{}
	for _, bytesEach := range [...]int{8, 16, 32} {
		m, err := newLimitsMeter(j.Members*bytesEach, readsPerRound(j.Members), j.Seed)
		if err != nil {
			return nil, err
		}
		for range applyRounds {
			m.round()
		}
		f.Footprints = append(f.Footprints, m.median())
		m.close()
	}
	return f, nil
}

// readsPerRound is a million, or as many as keep a small trial short.
func readsPerRound(members int) int { return min(1_000_000, max(members, 1_000)) }

func (f *limitsFigures) rows() []row {
	var rows []row
	for _, l := range f.Footprints {
		rows = append(rows, l.rows()...)
	}
	return rows
}

func (l limits) rows() []row {
	over := fmt.Sprintf(" over %.3g MiB", float64(l.Bytes)/(1<<20))
	return []row{
		{What: "dependent random line reads" + over, Value: l.Dependent, Unit: "reads/s"},
		{What: "the same in huge pages", Value: l.DependentHuge, Unit: "reads/s"},
		{What: "independent random line reads" + over, Value: l.Independent, Unit: "reads/s"},
		{What: "the same in huge pages", Value: l.IndependentHuge, Unit: "reads/s"},
	}
}
