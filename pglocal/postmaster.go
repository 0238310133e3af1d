package pglocal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const pollInterval = 20 * time.Millisecond

// How long each way of stopping may take before the next, harder one.
const (
	fastShutdownMax      = 60 * time.Second // rolls back, writes a checkpoint
	immediateShutdownMax = 10 * time.Second // leaves recovery to the next start
)

// postmasterFile is what a running server writes about itself in postmaster.pid:
// line 1 is its process, line 8 its state.
type postmasterFile struct {
	pid   int
	ready bool
}

func readPostmasterFile(data string) (f postmasterFile, ok bool) {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return f, false
	}
	lines := strings.Split(string(text), "\n")
	f.pid, err = strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || f.pid <= 1 {
		return f, false
	}
	f.ready = len(lines) >= 8 && strings.TrimSpace(lines[7]) == "ready"
	return f, true
}

// stopLeftBehind ends a server that runs on the data directory although nobody
// holds its lock: its owner is gone. A postmaster.pid without a living server is
// PostgreSQL's own business; it knows what to do with it.
func stopLeftBehind(ctx context.Context, data string, logger *slog.Logger) error {
	f, ok := readPostmasterFile(data)
	if !ok || !serves(f.pid, data) {
		return nil
	}
	logger.Info("stopping a PostgreSQL whose owner is gone", "pid", f.pid, "data", data)
	for _, step := range []struct {
		signal  syscall.Signal
		waitMax time.Duration
	}{
		{syscall.SIGINT, fastShutdownMax},
		{syscall.SIGQUIT, immediateShutdownMax},
		{syscall.SIGKILL, immediateShutdownMax},
	} {
		if err := syscall.Kill(f.pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the PostgreSQL left behind (pid %d): %w", f.pid, err)
		}
		gone, err := pollUntil(ctx, step.waitMax, func() bool { return !serves(f.pid, data) })
		if gone || err != nil {
			return err
		}
	}
	return fmt.Errorf("the PostgreSQL left behind (pid %d) does not end", f.pid)
}

// serves tells whether the process is a server on the data directory: process
// numbers are used again, and a stranger must not be stopped.
func serves(pid int, data string) bool {
	command := commandOf(pid)
	return strings.Contains(command, "postgres") && strings.Contains(command, data)
}

// pollUntil returns false after waitMax, and an error only when ctx ends.
func pollUntil(ctx context.Context, waitMax time.Duration, done func() bool) (bool, error) {
	deadline := time.Now().Add(waitMax)
	for !done() {
		if time.Now().After(deadline) {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(pollInterval):
		}
	}
	return true, nil
}
