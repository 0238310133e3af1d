package main

import (
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"text/tabwriter"
)

// failoverReport is what the faults did, kind by kind.
type failoverReport struct {
	Rate        float64           `json:"rate"` // writes/s that were due
	Connections int               `json:"connections"`
	Processors  int               `json:"processors"`
	Platform    string            `json:"platform"`
	Kinds       []failoverFigures `json:"kinds"`
}

// failoverFigures are those of one kind of fault.
type failoverFigures struct {
	Kind             string              `json:"kind"`
	GapsMilliseconds []float64           `json:"gapsMilliseconds"` // without an acknowledgement, after each fault
	Sent             uint64              `json:"sent"`             // writes, each repeated until it was acknowledged
	Acknowledged     uint64              `json:"acknowledged"`
	Counted          uint64              `json:"counted"`             // users that the cluster has
	Latency          latency             `json:"latencyMilliseconds"` // from when a write was due until it was acknowledged
	Trouble          map[string]*trouble `json:"trouble"`             // of single attempts, by kind
}

func newFailoverReport(o failoverOptions) *failoverReport {
	return &failoverReport{
		Rate: o.rate, Connections: o.connections,
		Processors: runtime.NumCPU(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
}

// lost is how many acknowledged writes the cluster does not have.
func (f failoverFigures) lost() uint64 { return f.Acknowledged - min(f.Acknowledged, f.Counted) }

// good reports whether all that was acknowledged is there, and nothing that was not sent.
func (f failoverFigures) good() bool {
	return f.lost() == 0 && f.Counted <= f.Sent && f.Acknowledged > 0
}

func (r *failoverReport) good() bool {
	return !slices.ContainsFunc(r.Kinds, func(f failoverFigures) bool { return !f.good() })
}

// print writes what a person reads.
func (r *failoverReport) print(out io.Writer) {
	fmt.Fprintf(out, "%s writes/s due, %d writers, %d nodes as processes, %d processors\n\n", grouped(r.Rate), r.Connections, 3, r.Processors)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "leader\ttimes\tgap p50 ms\tp95 ms\tmax ms\tlatency p50 ms\tp99 ms\tp99.9 ms\tmax ms\tsent\tacknowledged\tlost\t")
	for _, f := range r.Kinds {
		gaps := slices.Sorted(slices.Values(f.GapsMilliseconds))
		fmt.Fprintf(table, "%s\t%d\t%.0f\t%.0f\t%.0f\t%.1f\t%.1f\t%.0f\t%.0f\t%s\t%s\t%d\t\n", f.Kind, len(gaps),
			quantile(gaps, 0.5), quantile(gaps, 0.95), quantile(gaps, 1),
			f.Latency.P50, f.Latency.P99, f.Latency.P999, f.Latency.Max,
			grouped(float64(f.Sent)), grouped(float64(f.Acknowledged)), f.lost())
	}
	table.Flush()
	for _, f := range r.Kinds {
		fmt.Fprintf(out, "\n%s, attempts that were repeated:\n", f.Kind)
		for _, kind := range slices.Sorted(maps.Keys(f.Trouble)) {
			fmt.Fprintf(out, "  %d × %s: %s\n", f.Trouble[kind].Count, kind, f.Trouble[kind].Example)
		}
	}
}

// quantile of sorted numbers: the smallest of them that so large a part does not exceed.
func quantile(sorted []float64, part float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	for i, number := range sorted {
		if float64(i+1) >= part*float64(len(sorted)) {
			return number
		}
	}
	return sorted[len(sorted)-1]
}
