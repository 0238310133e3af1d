package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"headcount/pgsink"
)

const (
	entryRows = 500 // of one log entry
	segments  = 300
	expiryMin = 1_800_000_000 // Unix seconds
)

// source makes the rows of log entries. The same entry is the same rows, whoever asks.
type source struct {
	seed  uint64
	users uint64
	zipf  []float64 // sums of the segments' shares
}

func newSource(seed, users uint64) *source {
	s := &source{seed: seed, users: users}
	sum := 0.0
	for rank := range segments {
		sum += 1 / float64(rank+1)
		s.zipf = append(s.zipf, sum)
	}
	return s
}

// append adds the rows of an entry.
func (s *source) append(rows []pgsink.Row, entry uint64) []pgsink.Row {
	draw := rand.New(rand.NewPCG(s.seed, entry))
	for range entryRows {
		rank, _ := slices.BinarySearch(s.zipf, draw.Float64()*s.zipf[segments-1])
		rows = append(rows, pgsink.Row{
			Op:      pgsink.OpPut,
			ID:      fmt.Sprintf("u%09d", draw.Uint64N(s.users)),
			Segment: fmt.Sprintf("segment-%03d", min(rank, segments-1)),
			Expiry:  expiryMin + draw.Int64N(14*24*3600),
		})
	}
	return rows
}

// batch is the rows of entries from (not included) to, sorted by key, the latest expiry of
// each.
func (s *source) batch(from, to uint64) []pgsink.Row {
	rows := make([]pgsink.Row, 0, (to-from)*entryRows)
	for entry := from + 1; entry <= to; entry++ {
		rows = s.append(rows, entry)
	}
	slices.SortFunc(rows, func(a, b pgsink.Row) int {
		if order := strings.Compare(a.ID, b.ID); order != 0 {
			return order
		}
		if order := strings.Compare(a.Segment, b.Segment); order != 0 {
			return order
		}
		return int(b.Expiry - a.Expiry)
	})
	return slices.CompactFunc(rows, func(a, b pgsink.Row) bool { return a.ID == b.ID && a.Segment == b.Segment })
}
