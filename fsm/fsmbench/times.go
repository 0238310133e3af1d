package main

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// times of many calls, each to within 0.1 %.
type times struct{ histogram *hdrhistogram.Histogram }

func newTimes() times {
	return times{hdrhistogram.New(1, int64(10*time.Minute), 3)}
}

func (t times) add(took time.Duration) { _ = t.histogram.RecordValue(int64(took)) }

// spread of the times, in milliseconds.
type spread struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	Max   float64 `json:"max"`
}

func (t times) spread() spread {
	at := func(percentile float64) float64 { return float64(t.histogram.ValueAtPercentile(percentile)) / 1e6 }
	return spread{
		Count: t.histogram.TotalCount(),
		P50:   at(50), P99: at(99), P999: at(99.9),
		Max: float64(t.histogram.Max()) / 1e6,
	}
}

// rows of single Applies of a thousand memberships, which are promised to be short.
func (s spread) applyRows(what string) []row {
	return []row{
		{What: what + ", p50", Value: s.P50, Unit: milliseconds},
		{What: "  p99", Value: s.P99, Unit: milliseconds},
		row{What: "  p99.9", Value: s.P999, Unit: milliseconds}.atMost(3),
		row{What: "  max", Value: s.Max, Unit: milliseconds}.atMost(15),
	}
}
