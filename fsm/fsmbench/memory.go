package main

import "fmt"

// memoryFigures is what a machine of one size takes.
type memoryFigures struct {
	Members   int          `json:"members"`
	AsItIs    usage        `json:"asItIs"`    // no collection was asked for
	Collected usage        `json:"collected"` // after a collection
	HugePages int64        `json:"hugePageBytes"`
	Growth    *growthPeak  `json:"growth,omitempty"`
	Samples   []growthPeak `json:"samples,omitempty"`
}

// growthPeak is the memory at one point of the growth.
type growthPeak struct {
	Members int     `json:"members"`
	AsItIs  usage   `json:"asItIs"`
	Each    float64 `json:"bytesPerMembership"` // heap and mapped
}

func measureMemory(j job) (*memoryFigures, error) {
	s := newShard(newPopulation(zipfSplit(j.Members, j.Segments), j.Seed))
	g := newGauge()
	s.begin()
	f := &memoryFigures{Members: j.Members}
	if j.SampleEvery > 0 {
		if err := f.sample(j, s, g); err != nil {
			return nil, err
		}
	}
	if err := s.grow(j.Members, nil); err != nil {
		return nil, err
	}
	s.ack()
	f.AsItIs = g.read(s.machine)
	f.HugePages = hugePageBytes()
	f.Collected = g.collected(s.machine)
	return f, s.verify()
}

// sample grows from a twentieth to the whole, and looks now and then, without a
// collection.
func (f *memoryFigures) sample(j job, s *shard, g *gauge) error {
	f.Growth = &growthPeak{}
	for at := max(j.Members/20, 1); at <= j.Members; at += j.SampleEvery {
		if err := s.grow(at, nil); err != nil {
			return err
		}
		s.ack()
		p := growthPeak{Members: at, AsItIs: g.read(s.machine)}
		p.Each = float64(p.AsItIs.total()) / float64(at)
		if p.Each > f.Growth.Each {
			*f.Growth = p
		}
		f.Samples = append(f.Samples, p)
	}
	return nil
}

func (f *memoryFigures) rows() []row {
	each := func(bytes int64) float64 { return float64(bytes) / float64(f.Members) }
	at := millions(f.Members)
	rows := []row{
		row{What: "heap + mapped as it is, " + at, Value: each(f.AsItIs.total()), Unit: perMembership}.atMost(16),
		row{What: "heap + mapped after a collection, " + at, Value: each(f.Collected.total()), Unit: perMembership}.atMost(16),
		{What: "of it mapped, " + at, Value: each(f.Collected.Mapped), Unit: perMembership},
		{What: "RSS growth, " + at, Value: each(f.AsItIs.RSS), Unit: perMembership},
	}
	if f.Growth != nil {
		rows = append(rows, row{
			What:  fmt.Sprintf("highest while growing (at %s)", millions(f.Growth.Members)),
			Value: f.Growth.Each, Unit: perMembership,
		}.atMost(20))
	}
	return rows
}
