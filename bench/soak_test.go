package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A real cluster, for some seconds.
func TestSoak(t *testing.T) {
	file := filepath.Join(t.TempDir(), "soak.json")
	var out, errs bytes.Buffer
	exit := run(t.Context(), []string{
		"soak", "--duration", "3s", "--window", "1s", "--calibration", "500ms", "--connections", "8", "--held", "5000", "--share", "0.3",
		"--port", "18220", "--data", t.TempDir(), "--json", file,
	}, nil, &out, &errs)
	if exit != exitGood {
		t.Fatalf("exit status %d:\n%s%s", exit, out.String(), errs.String())
	}
	document, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var report soakReport
	if err := json.Unmarshal(document, &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Windows) != 3 || report.Most <= 0 || report.Rate <= 0 || report.Rate >= report.Most {
		t.Fatalf("%s", document)
	}
	for i, w := range report.Windows {
		if w.Acknowledged == 0 || w.MemoryBytes == 0 || w.DiskBytes == 0 || w.Latency.P99 <= 0 {
			t.Errorf("window %d: %+v", i, w)
		}
	}
	if !strings.Contains(out.String(), "the last part to the second: writes/s ") {
		t.Error(out.String())
	}
}

func TestSoakRefusesOptions(t *testing.T) {
	for _, args := range [][]string{
		{"--held", "10"},
		{"--share", "0"},
		{"--share", "1.5"},
		{"--duration", "90s"},
		{"--window", "1ms"},
		{"--calibration", "0s"},
		{"--connections", "0"},
		{"more"},
	} {
		var errs bytes.Buffer
		if exit := run(t.Context(), append([]string{"soak"}, args...), nil, &errs, &errs); exit != exitUsage || errs.Len() == 0 {
			t.Errorf("%q: exit status %d, %s", args, exit, errs.String())
		}
	}
}
