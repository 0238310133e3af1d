package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the test binary be what the program starts as its children.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == childCommand {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// runMeasured runs the program and returns its report.
func runMeasured(t *testing.T, args ...string) (r report, table, markdown string) {
	t.Helper()
	directory := t.TempDir()
	jsonPath, markdownPath := filepath.Join(directory, "new", "fsm.json"), filepath.Join(directory, "fsm.md")
	args = append(args, "--json", jsonPath, "--markdown", markdownPath, "--dir", directory)
	var out, errs bytes.Buffer
	if status := run(t.Context(), args, &out, &errs); status != exitGood {
		t.Fatalf("exit status %d: %s", status, errs.String())
	}
	document, err := os.ReadFile(jsonPath)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(document, &r); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(markdownPath)
	if err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(directory, "fsmbench-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	return r, out.String(), string(text)
}

func TestWholeProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute under the race detector")
	}
	r, table, markdown := runMeasured(t, "--members", "20000", "--seed", "5")
	if len(r.Memory) != 4 || len(r.Memory[3].Samples) != 191 || r.ManySegments.Members != 100_000 {
		t.Errorf("memory: %d sizes, many segments %+v", len(r.Memory), r.ManySegments)
	}
	for _, kind := range applyKinds {
		if r.Apply.Kinds[kind].Rate <= 0 || len(r.Apply.Rounds[kind]) != applyRounds {
			t.Errorf("%s: %+v", kind, r.Apply.Kinds[kind])
		}
	}
	for i, f := range r.Stalls {
		if f.Ticked != 10_000 || f.Growth.Count != 20 || f.AfterTick.Count != 10 || f.Both.Count != 30 {
			t.Errorf("stall: %+v", f)
		}
		if (f.Snapshots > 0) != (i == 1) {
			t.Errorf("%d snapshots in stretch %d", f.Snapshots, i)
		}
	}
	if r.Snapshot.Quiet.Bytes < 20_000 || len(r.Snapshot.Loaded) != len(snapshotRates) || r.Restore.Rate <= 0 {
		t.Errorf("snapshot %+v, restore %+v", r.Snapshot, r.Restore)
	}
	if len(r.Limits.Footprints) != 3 || len(r.GoMaps) != 8 || r.GC.Growth.ApplySeconds <= 0 {
		t.Errorf("limits %+v, maps %d, gc %+v", r.Limits, len(r.GoMaps), r.GC)
	}
	if redisProgram() != "" && (len(r.Redis.Points) != 4 || r.Redis.Points[3].Used < 20_000 || r.Redis.Points[3].Rate <= 0) {
		t.Errorf("redis: %+v", r.Redis)
	}
	for _, one := range r.Rows {
		what := strings.TrimSpace(one.What)
		if one.Part == "" || !strings.Contains(table, what) || !strings.Contains(markdown, what) {
			t.Errorf("row %+v is not in the tables", one)
		}
	}
}

// A snapshot that is to be restored is written when nobody asked for its measurement.
func TestOnePart(t *testing.T) {
	r, _, _ := runMeasured(t, "--members", "20000", "--only", "restore")
	if r.Restore == nil || r.Snapshot != nil || r.Memory != nil {
		t.Errorf("%+v", r)
	}
}

func TestWrongArguments(t *testing.T) {
	for _, args := range [][]string{
		{"--members", "5"},
		{"--segments", "0"},
		{"--segments", "10001"},
		{"--only", "memory,weather"},
		{"--members", "many"},
		{"all"},
	} {
		var out, errs bytes.Buffer
		if status := run(t.Context(), args, &out, &errs); status != exitUsage || errs.Len() == 0 {
			t.Errorf("%v: status %d, %q", args, status, errs.String())
		}
	}
}

func TestChildThatFailsIsReported(t *testing.T) {
	if _, err := measure[restoreFigures](t.Context(), job{Kind: "restore", Members: 1, Path: filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("a restore of a file that is not there was measured")
	}
	if _, err := measure[restoreFigures](t.Context(), job{Kind: "weather"}); err == nil {
		t.Error("a job that is not there was measured")
	}
}
