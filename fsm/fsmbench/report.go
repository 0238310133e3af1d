package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// report is everything measured, with what it takes to measure it again.
type report struct {
	Members   int    `json:"members"`
	Segments  int    `json:"segments"`
	Seed      uint64 `json:"seed,string"`
	Go        string `json:"go"`
	Platform  string `json:"platform"`
	Processor string `json:"processor"`
	Cores     int    `json:"cores"`
	PageBytes int    `json:"pageBytes"`
	HugePages string `json:"transparentHugePages"`

	Rows []row `json:"rows"`

	Memory       []*memoryFigures `json:"memory,omitempty"`
	ManySegments *segmentsFigures `json:"manySegments,omitempty"`
	Apply        *applyFigures    `json:"apply,omitempty"`
	GC           *gcFigures       `json:"gc,omitempty"`
	Stalls       []*stallFigures  `json:"stalls,omitempty"`
	Snapshot     *snapshotFigures `json:"snapshot,omitempty"`
	Restore      *restoreFigures  `json:"restore,omitempty"`
	Limits       *limitsFigures   `json:"limits,omitempty"`
	GoMaps       []*goMapFigures  `json:"goMaps,omitempty"`
	Redis        *redisFigures    `json:"redis,omitempty"`
}

func newReport(o options) *report {
	return &report{
		Members: o.members, Segments: o.segments, Seed: o.seed,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Processor: processorModel(), Cores: runtime.NumCPU(),
		PageBytes: os.Getpagesize(), HugePages: hugePageSetting(),
	}
}

// collectRows makes the table of everything measured.
func (r *report) collectRows() {
	add := func(part string, rows []row) {
		for _, one := range rows {
			one.Part = part
			r.Rows = append(r.Rows, one)
		}
	}
	for _, f := range r.Memory {
		add("memory", f.rows())
	}
	if r.ManySegments != nil {
		add("memory", r.ManySegments.rows())
	}
	if r.Apply != nil {
		add("apply", r.Apply.rows())
	}
	if r.GC != nil {
		add("gc", r.GC.rows())
	}
	for _, f := range r.Stalls {
		add("stall", f.rows())
	}
	if r.Snapshot != nil {
		add("snapshot", r.Snapshot.rows())
	}
	if r.Restore != nil {
		add("restore", r.Restore.rows())
	}
	if r.Limits != nil {
		add("limits", r.Limits.rows())
	}
	for _, f := range r.GoMaps {
		add("peers", f.rows())
	}
	if r.Redis != nil {
		add("peers", r.Redis.rows(r.Memory))
	}
}

// about says what the figures were measured with and on.
func (r *report) about() string {
	return fmt.Sprintf("%s memberships, %d segments, seed %d; %s, %s, %d × %s, pages of %d bytes, transparent huge pages %s",
		grouped(float64(r.Members)), r.Segments, r.Seed, r.Go, r.Platform, r.Cores, r.Processor, r.PageBytes, r.HugePages)
}

func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "%s\n\n", r.about())
	printTable(out, r.Rows)
}

// write writes the files that were asked for.
func (r *report) write(o options) error {
	if o.jsonPath != "" {
		document, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return fmt.Errorf("encoding the figures: %w", err)
		}
		if err := writeFile(o.jsonPath, append(document, '\n')); err != nil {
			return err
		}
	}
	if o.markdownPath == "" {
		return nil
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n\n", r.about())
	markdownTable(&text, r.Rows)
	return writeFile(o.markdownPath, []byte(text.String()))
}

func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("writing the figures: %w", err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("writing the figures: %w", err)
	}
	return nil
}
