package main

import (
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
)

// checkReport is what a check came to.
type checkReport struct {
	Addresses   []string  `json:"addresses"`
	Connections int       `json:"connections"`
	Bulk        int       `json:"bulk"`
	Rate        float64   `json:"rate"` // requests/s; 0: a closed loop
	Seed        uint64    `json:"seed,string"`
	Prefix      string    `json:"prefix"` // of all names
	Processors  int       `json:"processors"`
	Load        figures   `json:"load"`
	Memberships int       `json:"memberships"` // that were acknowledged, or may have been applied
	Verdicts    []verdict `json:"verdicts"`
}

func newCheckReport(o checkOptions) *checkReport {
	return &checkReport{
		Addresses: o.load.addresses, Connections: o.load.connections, Bulk: o.load.bulk, Rate: o.load.rate,
		Seed: o.load.seed, Prefix: o.load.prefix, Processors: runtime.NumCPU(),
	}
}

// good reports whether something was acknowledged, and nothing was wrong. Writes that
// were refused or left open are no fault: they are what is reckoned with.
func (r *checkReport) good() bool {
	for _, v := range r.Verdicts {
		if v.Wrong > 0 {
			return false
		}
	}
	return r.Load.Acknowledged > 0
}

// print writes what a person reads.
func (r *checkReport) print(out io.Writer) {
	fmt.Fprintf(out, "%s writes acknowledged in %.1f s, %s/s; p50 %.2f ms, p99 %.2f ms; %s memberships; seed %d\n",
		grouped(float64(r.Load.Acknowledged)), r.Load.Seconds, grouped(r.Load.WritesPerSecond),
		r.Load.Latency.P50, r.Load.Latency.P99, grouped(float64(r.Memberships)), r.Seed)
	for _, kind := range slices.Sorted(maps.Keys(r.Load.Trouble)) {
		fmt.Fprintf(out, "  %d × %s: %s\n", r.Load.Trouble[kind].Count, kind, r.Load.Trouble[kind].Example)
	}
	fmt.Fprintln(out)
	for _, v := range r.Verdicts {
		fmt.Fprintln(out, v)
		for _, example := range v.Examples {
			fmt.Fprintln(out, "  "+example)
		}
	}
}
