package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/raft"
)

const (
	watchEvery         = time.Second
	trailingEntriesMin = 64
	trailingEntriesMax = 1 << 20

	// snapshotLateMax is the share of the log that a snapshot may wait for beyond what is
	// due. A shard's log is the same on all nodes: without it they would all take theirs in
	// the same second, and with it hardly ever.
	snapshotLateMax = 0.25
)

// watchDisk ends the process when a log write does not end. groups is called each
// time.
func watchDisk(ctx context.Context, o RaftOptions, groups func() []*group, fatal func(error)) {
	every(ctx, watchEvery, func() {
		for _, g := range groups() {
			if d := g.store.stalledFor(time.Now()); d > o.DiskStallMax {
				fatal(fmt.Errorf("group %s: a log write has not ended for %v: the disk stalls (raft.disk_stall_max)", g.name, d.Round(time.Second)))
			}
		}
	})
}

// keepLogs takes a snapshot of a group when one is due, one group after the other, so
// that they never all snapshot at once.
func keepLogs(ctx context.Context, o RaftOptions, groups func() []*group, logger *slog.Logger) {
	every(ctx, watchEvery, func() {
		for _, g := range groups() {
			if g.snapshotDue(o.SnapshotBytes, logger) && ctx.Err() == nil {
				g.snapshot(ctx, o.TrailingBytes, logger)
			}
		}
	})
}

// snapshotDue reports whether the log has grown by so many bytes since the last snapshot,
// and by as many as that has: so however much a group holds, its snapshots write no more
// than its log does. It waits for up to snapshotLateMax more, each time another share.
func (g *group) snapshotDue(bytesMin int64, logger *slog.Logger) bool {
	bytes, _ := g.store.sinceSnapshot()
	if bytes < bytesMin {
		return false
	}
	list, err := g.snapshots.List() // newest first
	if err != nil {
		logger.Error("the size of the last snapshot is not known, and the next one is taken", "group", g.name, "err", err)
	}
	due := bytesMin
	if len(list) > 0 {
		due = max(due, list[0].Size)
	}
	return float64(bytes) >= float64(due)*(1+g.late)
}

// snapshot takes a snapshot and cuts the log behind it, keeping about so many
// bytes for followers that lag.
func (g *group) snapshot(ctx context.Context, trailingBytes int64, logger *slog.Logger) {
	bytes, entries := g.store.sinceSnapshot()
	trailing := uint64(trailingEntriesMin)
	if bytes > 0 {
		trailing = uint64(min(max(trailingBytes*entries/bytes, trailingEntriesMin), trailingEntriesMax))
	}
	c := g.raft.ReloadableConfig()
	c.TrailingLogs = trailing
	began := time.Now()
	err := g.raft.ReloadConfig(c)
	if err == nil {
		err = wait(ctx, g.raft.Snapshot())
	}
	switch {
	case err == nil:
		g.store.snapshotted(bytes, entries)
		g.late = lateness()
		logger.Info("snapshot taken", "group", g.name, "logBytes", bytes, "took", time.Since(began).Round(time.Millisecond))
	case errors.Is(err, raft.ErrNothingNewToSnapshot) || ctx.Err() != nil:
	default:
		// The log still has everything; it grows until one succeeds.
		logger.Error("snapshot failed", "group", g.name, "err", err)
	}
}

// lateness draws by how much the next snapshot is late.
func lateness() float64 { return snapshotLateMax * rand.Float64() }
