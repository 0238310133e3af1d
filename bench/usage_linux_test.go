package main

import (
	"testing"
	"time"
)

// A process that has ended is remembered by its parent's figures.
func TestUsageOfDescendants(t *testing.T) {
	// The loop runs in a process that is gone when sleep is there.
	s, err := startPrograms(t.TempDir(), []string{"sh", "-c", "(i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done); exec sleep 60"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	var u consumption
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		if u = usageOf(s.pids); u.processorSeconds > 0.1 && u.memoryBytes > 0 && len(descendants(s.pids)) == 1 {
			return
		}
	}
	t.Errorf("%+v", u)
}
