package main

import (
	"fmt"
	"io"
	"runtime"
	"strconv"
)

// soakReport is what a soak did, window by window.
type soakReport struct {
	Connections   int          `json:"connections"`
	Held          int          `json:"held"` // memberships
	Most          float64      `json:"most"` // writes/s, in a closed loop; 0: not measured
	Rate          float64      `json:"rate"` // writes/s that were due
	NotSent       uint64       `json:"notSent"`
	WindowSeconds float64      `json:"windowSeconds"`
	Processors    int          `json:"processors"`
	Platform      string       `json:"platform"`
	Windows       []soakWindow `json:"windows"`
}

// soakWindow is one part of it.
type soakWindow struct {
	figures
	MemoryBytes int64 `json:"memoryBytes"` // of all nodes
	DiskBytes   int64 `json:"diskBytes"`
}

func newSoakReport(o soakOptions) *soakReport {
	return &soakReport{
		Connections: o.load.connections, Held: o.held, WindowSeconds: o.window.Seconds(),
		Processors: runtime.NumCPU(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
}

func (r *soakReport) good() bool {
	for _, w := range r.Windows {
		if !w.good() {
			return false
		}
	}
	return len(r.Windows) > 0
}

// print writes what a person reads.
func (r *soakReport) print(out io.Writer) {
	fmt.Fprintf(out, "%s writes/s due", grouped(r.Rate))
	if r.Most > 0 {
		fmt.Fprintf(out, " (%.2f of the %s that it took at most)", r.Rate/r.Most, grouped(r.Most))
	}
	fmt.Fprintf(out, ", %d connections, %s memberships held, %d processors, %s\n",
		r.Connections, grouped(float64(r.Held)), r.Processors, r.Platform)
	rows := [][]string{{"from s", "writes/s", "p50 ms", "p99 ms", "max ms", "MiB in memory", "MiB on disk"}}
	for i, w := range r.Windows {
		rows = append(rows, []string{
			strconv.FormatFloat(float64(i)*r.WindowSeconds, 'f', -1, 64), grouped(w.WritesPerSecond),
			fmt.Sprintf("%.2f", w.Latency.P50), fmt.Sprintf("%.2f", w.Latency.P99), fmt.Sprintf("%.2f", w.Latency.Max),
			grouped(mebibytes(w.MemoryBytes)), grouped(mebibytes(w.DiskBytes)),
		})
	}
	printTable(out, rows)
	if len(r.Windows) > 2 {
		second, last := r.Windows[1], r.Windows[len(r.Windows)-1]
		fmt.Fprintf(out, "\nthe last part to the second: writes/s %.2f, p99 %.2f, memory %.2f, disk %.2f\n",
			ratio(last.WritesPerSecond, second.WritesPerSecond), ratio(last.Latency.P99, second.Latency.P99),
			ratio(float64(last.MemoryBytes), float64(second.MemoryBytes)), ratio(float64(last.DiskBytes), float64(second.DiskBytes)))
	}
	if r.NotSent > 0 {
		fmt.Fprintf(out, "\n%s writes were due, but not sent until the end\n", grouped(float64(r.NotSent)))
	}
	for i, w := range r.Windows {
		if len(w.Trouble) > 0 {
			printTrouble(out, fmt.Sprintf("part %d", i+1), w.figures)
		}
	}
}

// ratio of a to b; 0 where b is.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
