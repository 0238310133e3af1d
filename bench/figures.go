package main

import (
	"slices"
	"strconv"
	"time"
)

// measurement is one run.
type measurement struct {
	Cluster figures  `json:"cluster"`
	Empty   *figures `json:"empty,omitempty"` // the handler that does nothing
	Ratio   float64  `json:"ratio,omitempty"` // of the cluster's writes/s to the empty handler's; 0 at a fixed rate

	Beside *figures `json:"beside,omitempty"` // the writes at the side

	ClusterReads *figures `json:"clusterReads,omitempty"` // those among the writes
	EmptyReads   *figures `json:"emptyReads,omitempty"`

	series [targets]*series // nil: not kept
}

// figures are what one target did in one run.
type figures struct {
	Seconds           float64             `json:"seconds"`      // of all its slices
	Acknowledged      uint64              `json:"acknowledged"` // writes
	WritesPerSecond   float64             `json:"writesPerSecond"`
	RequestsPerSecond float64             `json:"requestsPerSecond"` // answered with 200 or 201
	NotSent           uint64              `json:"notSent"`           // requests that were due at a fixed rate, and found no connection free until the end
	Latency           latency             `json:"latencyMilliseconds"`
	Replies           map[string]uint64   `json:"replies"` // by status
	Trouble           map[string]*trouble `json:"trouble"` // by kind
}

// latency of the requests done, in milliseconds, each to within 1 %.
type latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// figuresOf sums up. Requests that were scheduled and not sent are 0 in a closed loop.
func figuresOf(t *tally, took time.Duration, scheduled uint64) figures {
	acknowledged := t.acknowledged.Load()
	milliseconds := func(percentile float64) float64 {
		return float64(t.latency.ValueAtPercentile(percentile)) / 1000
	}
	f := figures{
		Seconds:           took.Seconds(),
		Acknowledged:      acknowledged,
		WritesPerSecond:   float64(acknowledged) / took.Seconds(),
		RequestsPerSecond: float64(t.done) / took.Seconds(),
		NotSent:           scheduled - min(t.sent, scheduled),
		Latency: latency{
			P50: milliseconds(50), P90: milliseconds(90), P99: milliseconds(99), P999: milliseconds(99.9),
			Max: float64(t.latency.Max()) / 1000,
		},
		Replies: map[string]uint64{},
		Trouble: t.trouble,
	}
	for status, n := range t.statuses {
		if n > 0 {
			f.Replies[strconv.Itoa(status)] = n
		}
	}
	return f
}

// good reports whether writes were acknowledged and every other one failed in a way
// the API promises.
func (f figures) good() bool {
	for _, trouble := range f.Trouble {
		if trouble.Failure {
			return false
		}
	}
	return f.Acknowledged > 0
}

// median of some numbers; 0 of none.
func median(numbers []float64) float64 {
	if len(numbers) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(numbers))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
