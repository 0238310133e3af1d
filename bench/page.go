package main

import (
	"bytes"
	"fmt"
	"html/template"
	"math"
	"os"
	"strings"
)

// page is what the HTML file of a load has. It needs nothing from elsewhere.
type page struct {
	Title  string
	Text   string // what the terminal shows
	Charts []chart
}

// chart is lines over time.
type chart struct {
	Title, Unit string
	Log         bool // the upright axis is logarithmic
	Lines       []line
}

// line is one figure of one target, in pieces: it is not measured all the time.
type line struct {
	Name, Colour string
	Pieces       [][]dot
}

type dot struct{ x, y float64 }

// The size of a chart, in pixels, and of what is left free around it.
const (
	chartWidth, chartHeight = 900, 260
	chartLeft, chartBottom  = 70, 30
	chartTop, chartRight    = 10, 10
)

var pageTemplate = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title>
<style>
body { font: 14px/1.4 sans-serif; margin: 2em auto; max-width: 60em; color: #222 }
pre { overflow-x: auto; background: #f6f6f6; padding: 1em }
svg text { font: 12px sans-serif; fill: #444 }
.grid { stroke: #ddd } .line { fill: none; stroke-width: 1.5 }
</style></head><body>
<h1>{{.Title}}</h1>
<pre>{{.Text}}</pre>
{{range .Charts}}<h2>{{.Title}}</h2>
<p>{{range .Lines}}<span style="color: {{.Colour}}">&#9632; {{.Name}}</span> &nbsp; {{end}}</p>
{{.SVG}}
{{end}}</body></html>
`))

// writePage writes the page of a load to a file; "": it writes none.
func writePage(path string, r *report) error {
	if path == "" {
		return nil
	}
	var text, out bytes.Buffer
	r.print(&text)
	p := page{Title: "bench load", Text: text.String()}
	for i, m := range r.Runs {
		p.Charts = append(p.Charts, m.charts(fmt.Sprintf("run %d", i+1))...)
	}
	if err := pageTemplate.Execute(&out, p); err != nil {
		return fmt.Errorf("making the page: %w", err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

// charts of a run: how much, and how long it took.
func (m measurement) charts(run string) []chart {
	rate := chart{Title: "Requests over time, " + run, Unit: "/s"}
	latency := chart{Title: "Latency over time, " + run, Unit: " ms", Log: true}
	for _, t := range []struct {
		name    string
		series  *series
		colours [3]string
	}{
		{"cluster", m.series[toCluster], [3]string{"#1f5fa8", "#e08214", "#b2182b"}},
		{"empty handler", m.series[toEmpty], [3]string{"#999999", "#bbbbbb", ""}},
	} {
		if t.series == nil {
			continue
		}
		points := t.series.points()
		pieces := func(of func(seriesPoint) float64) [][]dot { return inPieces(points, 2*t.series.width.Seconds(), of) }
		rate.Lines = append(rate.Lines, line{t.name, t.colours[0], pieces(func(p seriesPoint) float64 { return p.WritesPerSecond })})
		latency.Lines = append(latency.Lines,
			line{t.name + " p50", t.colours[0], pieces(func(p seriesPoint) float64 { return p.P50 })},
			line{t.name + " p99", t.colours[1], pieces(func(p seriesPoint) float64 { return p.P99 })})
		if t.colours[2] != "" {
			latency.Lines = append(latency.Lines, line{t.name + " max", t.colours[2], pieces(func(p seriesPoint) float64 { return p.Max })})
		}
	}
	return []chart{rate, latency}
}

// inPieces breaks a line where nothing was measured for longer than the gap, in seconds.
func inPieces(points []seriesPoint, gap float64, of func(seriesPoint) float64) (pieces [][]dot) {
	for i, p := range points {
		if i == 0 || p.Second-points[i-1].Second > gap {
			pieces = append(pieces, nil)
		}
		last := len(pieces) - 1
		pieces[last] = append(pieces[last], dot{p.Second, of(p)})
	}
	return pieces
}

// SVG draws the chart. There is nothing in it but numbers and our own words.
func (c chart) SVG() template.HTML {
	var right, low, high float64
	low = math.Inf(1)
	for _, l := range c.Lines {
		for _, piece := range l.Pieces {
			for _, d := range piece {
				right, low, high = max(right, d.x), min(low, d.y), max(high, d.y)
			}
		}
	}
	if high == 0 || right == 0 {
		return "<p>Nothing was measured.</p>"
	}
	axis := c.axis(low, high)
	x := func(v float64) float64 { return chartLeft + v/right*(chartWidth-chartLeft-chartRight) }
	y := func(v float64) float64 {
		return chartHeight - chartBottom - axis.part(v)*(chartHeight-chartTop-chartBottom)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" width="100%%" role="img">`, chartWidth, chartHeight)
	for _, mark := range axis.marks {
		fmt.Fprintf(&b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%s%s</text>`,
			chartLeft, chartWidth-chartRight, y(mark), y(mark), chartLeft-6, y(mark)+4, markText(mark), c.Unit)
	}
	for _, mark := range linearMarks(right) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%s s</text>`, x(mark), chartHeight-8, markText(mark))
	}
	for _, l := range c.Lines {
		for _, piece := range l.Pieces {
			fmt.Fprintf(&b, `<polyline class="line" stroke="%s" points="`, l.Colour)
			for _, d := range piece {
				fmt.Fprintf(&b, "%.1f,%.1f ", x(d.x), y(d.y))
			}
			b.WriteString(`"/>`)
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// axis is an upright axis.
type axis struct {
	from, to float64
	log      bool
	marks    []float64
}

func (c chart) axis(low, high float64) axis {
	if !c.Log {
		marks := linearMarks(high)
		return axis{0, max(high, marks[len(marks)-1]), false, marks}
	}
	from, to := math.Floor(math.Log10(max(low, 0.001))), math.Ceil(math.Log10(high))
	a := axis{from, max(to, from+1), true, nil}
	for power := a.from; power <= a.to; power++ {
		a.marks = append(a.marks, math.Pow(10, power))
	}
	return a
}

// part is how far up a value is, from 0 to 1.
func (a axis) part(v float64) float64 {
	if a.log {
		v = math.Log10(max(v, math.Pow(10, a.from)))
	}
	return (v - a.from) / (a.to - a.from)
}

// linearMarks are some five round numbers from 0 to the highest.
func linearMarks(high float64) (marks []float64) {
	step := math.Pow(10, math.Floor(math.Log10(high)))
	for _, finer := range []float64{5, 2} {
		if high/step < 4 {
			step = math.Pow(10, math.Floor(math.Log10(high))) / (10 / finer)
		}
	}
	for mark := 0.0; mark <= high; mark += step {
		marks = append(marks, mark)
	}
	return marks
}

func markText(v float64) string {
	if v >= 1000 {
		return grouped(v)
	}
	return fmt.Sprintf("%g", math.Round(v*1000)/1000)
}
