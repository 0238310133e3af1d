package main

import (
	"context"
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

// measurer does the parts one after the other, until one fails.
type measurer struct {
	ctx       context.Context
	o         options
	r         *report
	errs      io.Writer
	directory string // for files, removed at the end
	err       error
}

func (r *report) measure(ctx context.Context, o options, errs io.Writer) error {
	directory, err := os.MkdirTemp(o.directory, "fsmbench-")
	if err != nil {
		return fmt.Errorf("making a directory for the snapshots: %w", err)
	}
	defer os.RemoveAll(directory)
	m := &measurer{ctx: ctx, o: o, r: r, errs: errs, directory: directory}
	for _, part := range parts {
		if o.wants(part) {
			m.part(part)
		}
	}
	return m.err
}

func (m *measurer) part(part string) {
	switch part {
	case "memory":
		m.memory()
	case "apply":
		// At half the members: 10 of 20 million.
		m.r.Apply = child[applyFigures](m, job{Kind: "apply", Members: m.o.members / 2})
		m.r.GC = child[gcFigures](m, job{Kind: "gc", Members: m.o.members})
	case "stall":
		for _, snapshots := range []bool{false, true} {
			if f := child[stallFigures](m, job{Kind: "stall", Members: m.o.members, Snapshots: snapshots}); f != nil {
				m.r.Stalls = append(m.r.Stalls, f)
			}
		}
	case "snapshot":
		m.r.Snapshot = child[snapshotFigures](m, job{Kind: "snapshot", Members: m.o.members, Path: m.snapshotPath()})
	case "restore":
		m.restore()
	case "limits":
		m.r.Limits = child[limitsFigures](m, job{Kind: "limits", Members: m.o.members})
	case "peers":
		m.peers()
	}
}

func (m *measurer) memory() {
	sizes := m.o.sizes()
	for i, size := range sizes {
		j := job{Kind: "memory", Members: size}
		if i == len(sizes)-1 {
			j.SampleEvery = max(m.o.members/200, 1) // 100,000 of 20 million
		}
		if f := child[memoryFigures](m, j); f != nil {
			m.r.Memory = append(m.r.Memory, f)
		}
	}
	m.r.ManySegments = child[segmentsFigures](m, job{Kind: "segments", Members: manySegments * membersInEach})
}

func (m *measurer) restore() {
	j := job{Kind: "restore", Members: m.o.members, Path: m.snapshotPath()}
	if m.r.Snapshot != nil {
		j.Digest = m.r.Snapshot.Digest
	} else if p := child[persisted](m, job{Kind: "persist", Members: m.o.members, Path: j.Path}); p != nil {
		j.Digest = p.Digest
	}
	m.r.Restore = child[restoreFigures](m, j)
}

func (m *measurer) peers() {
	for _, key := range []string{"string", "array"} {
		for _, size := range m.o.sizes() {
			if f := child[goMapFigures](m, job{Kind: "gomap", Members: size, Key: key}); f != nil {
				m.r.GoMaps = append(m.r.GoMaps, f)
			}
		}
	}
	if redisProgram() == "" {
		fmt.Fprintln(m.errs, "fsmbench: no redis-server on this machine: its rows are left out")
		return
	}
	m.r.Redis = child[redisFigures](m, job{Kind: "redis", Members: m.o.members, Sizes: m.o.sizes()})
}

func (m *measurer) snapshotPath() string { return filepath.Join(m.directory, "machine.snapshot") }

// child measures one thing, unless something failed before; then it returns nil.
func child[T any](m *measurer, j job) *T {
	if m.err != nil {
		return nil
	}
	j.Segments, j.Seed, j.Directory = m.o.segments, m.o.seed, m.directory
	fmt.Fprintf(m.errs, "fsmbench: %s, %s memberships\n", j.Kind, grouped(float64(j.Members)))
	var result *T
	result, m.err = measure[T](m.ctx, j)
	return result
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
