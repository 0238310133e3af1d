package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// compareReport is what the peers did.
type compareReport struct {
	Connections int               `json:"connections"`
	Seconds     float64           `json:"seconds"` // of each measurement
	Bulk        int               `json:"bulk"`
	Segments    int               `json:"segments"`
	Held        int               `json:"held"`
	Processors  int               `json:"processors"`
	Platform    string            `json:"platform"`
	LeftOut     map[string]string `json:"leftOut"` // peers, and what would have to be installed
	Peers       []peerFigures     `json:"peers"`
}

// peerFigures are those of one peer, run by run.
type peerFigures struct {
	Name       string    `json:"name"`
	Durability string    `json:"durability"`
	Copies     int       `json:"copies"` // of every membership
	Runs       []peerRun `json:"runs"`
}

// peerRun is one run of one peer, which was started for it.
type peerRun struct {
	Held               uint64         `json:"held"`        // memberships, before the measurement
	MemoryBytes        int64          `json:"memoryBytes"` // of all processes, then
	BytesPerMembership float64        `json:"bytesPerMembership"`
	Single             compareFigures `json:"single"`
	Bulk               compareFigures `json:"bulk"`
}

// compareFigures are those of one measurement.
type compareFigures struct {
	figures
	ProcessorSecondsPerMillion float64 `json:"processorSecondsPerMillion"` // of all processes of the peer, per million writes
}

// consumption is what processes have taken.
type consumption struct {
	processorSeconds float64
	memoryBytes      int64
}

func newCompareReport(o compareOptions) *compareReport {
	return &compareReport{
		Connections: o.connections, Seconds: o.duration.Seconds(), Bulk: o.bulk, Segments: o.segments, Held: o.held,
		Processors: runtime.NumCPU(), Platform: runtime.GOOS + "/" + runtime.GOARCH, LeftOut: map[string]string{},
	}
}

func (r *compareReport) add(p peer, run peerRun) {
	at := slices.IndexFunc(r.Peers, func(f peerFigures) bool { return f.Name == p.name })
	if at < 0 {
		at = len(r.Peers)
		r.Peers = append(r.Peers, peerFigures{Name: p.name, Durability: p.durability, Copies: p.copies})
	}
	r.Peers[at].Runs = append(r.Peers[at].Runs, run)
}

// good reports whether everything sent was acknowledged.
func (r *compareReport) good() bool {
	for _, p := range r.Peers {
		for _, run := range p.Runs {
			if !run.Single.good() || !run.Bulk.good() {
				return false
			}
		}
	}
	return true
}

// of returns the median of a figure over the runs.
func (p peerFigures) of(figure func(peerRun) float64) float64 {
	var numbers []float64
	for _, run := range p.Runs {
		numbers = append(numbers, figure(run))
	}
	return median(numbers)
}

func (p peerFigures) rate(of func(peerRun) compareFigures) float64 {
	return p.of(func(r peerRun) float64 { return of(r).WritesPerSecond })
}

func single(r peerRun) compareFigures { return r.Single }
func bulk(r peerRun) compareFigures   { return r.Bulk }

// print writes what a person reads: two tables in Markdown.
func (r *compareReport) print(out io.Writer) {
	fmt.Fprintf(out, "%d connections, %s memberships held, %d segments, %.0f s each, %d processors, %s\n",
		r.Connections, grouped(float64(r.Held)), r.Segments, r.Seconds, r.Processors, r.Platform)
	r.printRates(out, "single writes", single)
	r.printRates(out, fmt.Sprintf("%d writes a request", r.Bulk), bulk)
	rows := [][]string{{"", "an acknowledged write is", "copies", "bytes/membership, all copies", "MiB in all"}}
	for _, p := range r.Peers {
		if p.Copies == 0 {
			continue // it keeps nothing
		}
		rows = append(rows, []string{
			p.Name, p.Durability, strconv.Itoa(p.Copies),
			fmt.Sprintf("%.1f", p.of(func(r peerRun) float64 { return r.BytesPerMembership })),
			grouped(p.of(func(r peerRun) float64 { return float64(r.MemoryBytes) / (1 << 20) })),
		})
	}
	printTable(out, rows)
	for _, name := range slices.Sorted(maps.Keys(r.LeftOut)) {
		fmt.Fprintf(out, "\n%s is left out: it needs %s.\n", name, r.LeftOut[name])
	}
	for _, p := range r.Peers {
		for i, run := range p.Runs {
			for what, f := range map[string]figures{"single": run.Single.figures, "bulk": run.Bulk.figures} {
				if !f.good() || len(f.Trouble) > 0 {
					printTrouble(out, fmt.Sprintf("%s, run %d, %s", p.Name, i+1, what), f)
				}
			}
		}
	}
}

// printRates writes a table of one kind of request. Ratios are to the first Headcount.
func (r *compareReport) printRates(out io.Writer, what string, of func(peerRun) compareFigures) {
	var headcount float64
	if at := slices.IndexFunc(r.Peers, func(p peerFigures) bool { return strings.HasPrefix(p.Name, "headcount") }); at >= 0 {
		headcount = r.Peers[at].rate(of)
	}
	rows := [][]string{{what, "writes/s", "of Headcount's", "p50 ms", "p99 ms", "CPU s/million"}}
	for _, p := range r.Peers {
		ratio := ""
		if headcount > 0 {
			ratio = fmt.Sprintf("%.2f", p.rate(of)/headcount)
		}
		rows = append(rows, []string{
			p.Name, grouped(p.rate(of)), ratio,
			fmt.Sprintf("%.2f", p.of(func(r peerRun) float64 { return of(r).Latency.P50 })),
			fmt.Sprintf("%.2f", p.of(func(r peerRun) float64 { return of(r).Latency.P99 })),
			fmt.Sprintf("%.2f", p.of(func(r peerRun) float64 { return of(r).ProcessorSecondsPerMillion })),
		})
	}
	printTable(out, rows)
}

// printTable writes rows as a table in Markdown; the first is its heading, and the first
// column is text.
func printTable(out io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	fmt.Fprintln(out)
	for i, row := range rows {
		for column, cell := range row {
			format := "| %*s "
			if column == 0 {
				format = "| %-*s "
			}
			fmt.Fprintf(out, format, widths[column], cell)
		}
		fmt.Fprintln(out, "|")
		if i > 0 {
			continue
		}
		for column, width := range widths {
			rule := strings.Repeat("-", width+1) + ":"
			if column == 0 {
				rule = strings.Repeat("-", width+2)
			}
			fmt.Fprint(out, "|", rule)
		}
		fmt.Fprintln(out, "|")
	}
}

// writeMarkdown writes the tables to a file; "": it writes none.
func writeMarkdown(path string, r *compareReport) error {
	if path == "" {
		return nil
	}
	var tables bytes.Buffer
	r.print(&tables)
	if err := os.WriteFile(path, tables.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing the tables: %w", err)
	}
	return nil
}
