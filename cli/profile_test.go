package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestStartProfile(t *testing.T) {
	dir := t.TempDir()
	stop, err := startProfile(dir, "n1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := startProfile(dir, "n2"); err == nil {
		t.Error("a second profile of the same process begins")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	// Profiles are compressed protocol buffers.
	if data, err := os.ReadFile(filepath.Join(dir, "n1.pprof")); err != nil || !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		t.Errorf("the profile begins with % x, %v", data[:min(len(data), 8)], err)
	}
	if _, err := startProfile(filepath.Join(dir, "none"), "n1"); err == nil {
		t.Error("a profile begins in a directory that is not there")
	}
	if stop, err := startProfile("", "n1"); err != nil || stop() != nil {
		t.Errorf("no profile is asked for: %v", err)
	}
}
