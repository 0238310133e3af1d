package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// measurer does the parts one after the other. One that fails does not
// keep the others from being measured.
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
	m.all()
	return errors.Join(m.err, ctx.Err())
}

// all measures what was asked for.
func (m *measurer) all() {
	if m.o.wants("memory/sizes") {
		m.memory()
	}
	if m.o.wants("memory/segments") {
		m.r.ManySegments = child[segmentsFigures](m, job{Kind: "segments", Members: manySegments * membersInEach})
	}
	if m.o.wants("apply/rates") { // at half the members: 10 of 20 million
		m.r.Apply = child[applyFigures](m, job{Kind: "apply", Members: m.o.members / 2})
	}
	if m.o.wants("apply/gc") {
		m.r.GC = child[gcFigures](m, job{Kind: "gc", Members: m.o.members})
	}
	if m.o.wants("stall/alone") {
		m.stall(false)
	}
	if m.o.wants("stall/snapshots") {
		m.stall(true)
	}
	if m.o.wants("snapshot") {
		m.r.Snapshot = child[snapshotFigures](m, job{Kind: "snapshot", Members: m.o.members, Path: m.snapshotPath()})
	}
	if m.o.wants("restore") {
		m.restore()
	}
	if m.o.wants("limits") {
		m.r.Limits = child[limitsFigures](m, job{Kind: "limits", Members: m.o.members})
	}
	if m.o.wants("peers/maps") {
		m.goMaps()
	}
	if m.o.wants("peers/redis") {
		m.redis()
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
}

func (m *measurer) stall(snapshots bool) {
	f := child[stallFigures](m, job{Kind: "stall", Members: m.o.members, Snapshots: snapshots})
	if f != nil {
		m.r.Stalls = append(m.r.Stalls, f)
	}
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

func (m *measurer) goMaps() {
	for _, key := range []string{"string", "array"} {
		for _, size := range m.o.sizes() {
			if f := child[goMapFigures](m, job{Kind: "gomap", Members: size, Key: key}); f != nil {
				m.r.GoMaps = append(m.r.GoMaps, f)
			}
		}
	}
}

func (m *measurer) redis() {
	if redisProgram() == "" {
		fmt.Fprintln(m.errs, "fsmbench: no redis-server on this machine: its rows are left out")
		return
	}
	m.r.Redis = child[redisFigures](m, job{Kind: "redis", Members: m.o.members, Sizes: m.o.sizes()})
}

func (m *measurer) snapshotPath() string { return filepath.Join(m.directory, "machine.snapshot") }

// child measures one thing; it returns nil when that failed, or the run was ended.
func child[T any](m *measurer, j job) *T {
	if m.ctx.Err() != nil {
		return nil
	}
	j.Segments, j.Seed, j.Directory = m.o.segments, m.o.seed, m.directory
	fmt.Fprintf(m.errs, "fsmbench: %s, %s memberships\n", j.Kind, grouped(float64(j.Members)))
	result, err := measure[T](m.ctx, j)
	m.err = errors.Join(m.err, err)
	return result
}
