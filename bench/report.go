package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"text/tabwriter"
)

// report is all runs of a load, with what it takes to do them again.
type report struct {
	Addresses   []string      `json:"addresses"`
	Connections int           `json:"connections"`
	Seconds     float64       `json:"seconds"` // that the cluster was to be driven, in each run
	Segments    int           `json:"segments"`
	Users       int           `json:"users"`
	Bulk        int           `json:"bulk"`   // records of a request; 0: single POSTs
	Counts      bool          `json:"counts"` // reads of the counts, not writes
	Rate        float64       `json:"rate"`   // requests/s; 0: a closed loop
	BesideRate  float64       `json:"besideRate"`
	Reads       float64       `json:"reads"` // share of the requests
	Seed        uint64        `json:"seed,string"`
	Processors  int           `json:"processors"`
	Platform    string        `json:"platform"`
	Runs        []measurement `json:"runs"`
}

func newReport(o options) *report {
	return &report{
		Addresses: o.addresses, Connections: o.connections, Seconds: o.duration.Seconds(),
		Segments: o.segments, Users: o.users, Bulk: o.bulk, Counts: o.counts, Seed: o.seed,
		Rate: o.rate, BesideRate: o.beside, Reads: o.reads,
		Processors: runtime.NumCPU(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
}

// good reports whether every run was.
func (r *report) good() bool {
	return !slices.ContainsFunc(r.Runs, func(m measurement) bool {
		for _, f := range []*figures{&m.Cluster, m.Empty, m.Beside, m.ClusterReads, m.EmptyReads} {
			if f != nil && !f.good() {
				return true
			}
		}
		return false
	})
}

// print writes what a person reads.
func (r *report) print(out io.Writer) {
	kind := "single POSTs"
	if r.Bulk > 0 {
		kind = fmt.Sprintf("%d records a request", r.Bulk)
	}
	what := "writes"
	if r.Counts {
		kind, what = "GET /segments/count", "reads"
	}
	if r.Rate > 0 {
		kind += fmt.Sprintf(", %s requests/s due", grouped(r.Rate))
	}
	if r.Reads > 0 {
		kind += fmt.Sprintf(", %g of them GET /segments/{title}/count", r.Reads)
	}
	if r.BesideRate > 0 {
		kind += fmt.Sprintf(", beside %s writes/s", grouped(r.BesideRate))
	}
	fmt.Fprintf(out, "%d connections to %d URLs, %s, %s users, %d segments, %d processors, seed %d\n\n",
		r.Connections, len(r.Addresses), kind, grouped(float64(r.Users)), r.Segments, r.Processors, r.Seed)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "run\t\t%s/s\trequests/s\tp50 ms\tp90 ms\tp99 ms\tp99.9 ms\tmax ms\tratio\t\n", what)
	for i, m := range r.Runs {
		ratio := ""
		if m.Empty != nil {
			printRow(table, i+1, "empty", *m.Empty, "")
		}
		if m.EmptyReads != nil {
			printRow(table, i+1, "empty, reads", *m.EmptyReads, "")
		}
		if m.Ratio > 0 {
			ratio = fmt.Sprintf("%.3f", m.Ratio)
		}
		printRow(table, i+1, "cluster", m.Cluster, ratio)
		if m.ClusterReads != nil {
			printRow(table, i+1, "cluster, reads", *m.ClusterReads, "")
		}
		if m.Beside != nil {
			printRow(table, i+1, "beside", *m.Beside, "")
		}
	}
	table.Flush()
	r.printMedians(out, what)
	for i, m := range r.Runs {
		printTrouble(out, fmt.Sprintf("run %d, cluster", i+1), m.Cluster)
		if m.Empty != nil {
			printTrouble(out, fmt.Sprintf("run %d, empty", i+1), *m.Empty)
		}
		if m.Beside != nil {
			printTrouble(out, fmt.Sprintf("run %d, beside", i+1), *m.Beside)
		}
		if m.ClusterReads != nil {
			printTrouble(out, fmt.Sprintf("run %d, cluster, reads", i+1), *m.ClusterReads)
		}
	}
}

func printRow(out io.Writer, run int, name string, f figures, ratio string) {
	fmt.Fprintf(out, "%d\t%s\t%s\t%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%s\t\n", run, name,
		grouped(f.WritesPerSecond), grouped(f.RequestsPerSecond),
		f.Latency.P50, f.Latency.P90, f.Latency.P99, f.Latency.P999, f.Latency.Max, ratio)
}

// printMedians says what to take from several runs.
func (r *report) printMedians(out io.Writer, what string) {
	if len(r.Runs) < 2 {
		return
	}
	var rates, ratios []float64
	for _, m := range r.Runs {
		rates = append(rates, m.Cluster.WritesPerSecond)
		if m.Ratio > 0 {
			ratios = append(ratios, m.Ratio)
		}
	}
	fmt.Fprintf(out, "\nmedian of %d runs: %s %s/s (%s to %s)", len(r.Runs),
		grouped(median(rates)), what, grouped(slices.Min(rates)), grouped(slices.Max(rates)))
	if len(ratios) > 0 {
		fmt.Fprintf(out, ", ratio %.3f (%.3f to %.3f)", median(ratios), slices.Min(ratios), slices.Max(ratios))
	}
	fmt.Fprintln(out)
}

// printTrouble lists the replies by status, and what was not acknowledged by kind.
func printTrouble(out io.Writer, name string, f figures) {
	fmt.Fprintf(out, "\n%s replies:", name)
	for _, status := range slices.Sorted(maps.Keys(f.Replies)) {
		fmt.Fprintf(out, " %s: %d", status, f.Replies[status])
	}
	fmt.Fprintln(out)
	if f.NotSent > 0 {
		fmt.Fprintf(out, "  %s × due, but not sent until the end: every connection was waiting for a reply\n", grouped(float64(f.NotSent)))
	}
	for _, kind := range slices.Sorted(maps.Keys(f.Trouble)) {
		trouble := f.Trouble[kind]
		mark := "as promised"
		if trouble.Failure {
			mark = "FAILURE"
		}
		fmt.Fprintf(out, "  %d × %s (%s): %s\n", trouble.Count, kind, mark, trouble.Example)
	}
}

// writeJSON writes a report to a file; "": it writes none.
func writeJSON(path string, report any) error {
	if path == "" {
		return nil
	}
	document, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the figures: %w", err)
	}
	if err := os.WriteFile(path, append(document, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the figures: %w", err)
	}
	return nil
}

// grouped writes a number, rounded, with commas: 1,234,567.
func grouped(number float64) string {
	text := strconv.FormatFloat(number, 'f', 0, 64)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
