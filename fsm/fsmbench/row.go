package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// The units that rows share.
const (
	perMembership = "B/membership"
	milliseconds  = "ms"
)

// row is one line of the table.
type row struct {
	Part  string  `json:"part"`
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
	Asked string  `json:"asked,omitempty"` // the bound, if one is promised
	Met   *bool   `json:"met,omitempty"`   // whether the value keeps it; nil without a bound
}

// atMost promises that the value is not above a bound.
func (r row) atMost(bound float64) row {
	return r.asked("≤ ", bound, r.Value <= bound)
}

// atLeast promises that the value is not below a bound.
func (r row) atLeast(bound float64) row {
	return r.asked("≥ ", bound, r.Value >= bound)
}

func (r row) asked(sign string, bound float64, met bool) row {
	r.Asked, r.Met = sign+figure(bound, r.Unit), &met
	return r
}

func (r row) verdict() string {
	switch {
	case r.Met == nil:
		return ""
	case *r.Met:
		return "yes"
	default:
		return "NO"
	}
}

// figure writes a number as its unit wants it.
func figure(value float64, unit string) string {
	switch unit {
	case "memberships/s", "reads/s", "":
		return grouped(value)
	case "ratio", "per membership":
		return strconv.FormatFloat(value, 'f', 3, 64)
	case milliseconds:
		return strconv.FormatFloat(value, 'f', 3, 64)
	default:
		return strconv.FormatFloat(value, 'f', 2, 64)
	}
}

// grouped writes a number, rounded, with commas: 1,234,567.
func grouped(number float64) string {
	text := strconv.FormatFloat(number, 'f', 0, 64)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// millions writes a number of memberships shortly: 5 M, 0.02 M.
func millions(n int) string { return strconv.FormatFloat(float64(n)/1e6, 'g', 4, 64) + " M" }

// printTable writes the rows for a terminal.
func printTable(out io.Writer, rows []row) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "part\twhat\tfigure\tunit\tasked\tmet\n")
	last := ""
	for _, r := range rows {
		part := r.Part
		if part == last {
			part = ""
		}
		last = r.Part
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", part, r.What, figure(r.Value, r.Unit), r.Unit, r.Asked, r.verdict())
	}
	w.Flush()
}

// markdownTable writes the rows as Markdown.
func markdownTable(out *strings.Builder, rows []row) {
	out.WriteString("| part | what | figure | unit | asked | met |\n|---|---|---:|---|---|---|\n")
	for _, r := range rows {
		what := strings.TrimLeft(r.What, " ")
		if what != r.What {
			what = "… " + what
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s | %s |\n", r.Part, what, figure(r.Value, r.Unit), r.Unit, r.Asked, r.verdict())
	}
}
