package node

import (
	"fmt"
	"log/slog"
	"testing"
)

// The next snapshot waits until the log has grown by as much as the last one has, and by
// a share that differs from node to node.
func TestSnapshotsWriteNoMoreThanTheLog(t *testing.T) {
	c := newTestCluster(t, 1, 1)
	c.startAll()
	n := c.nodes["n1"]
	shard, logger := n.groups()[1], slog.New(slog.DiscardHandler)
	write := func(i int) {
		if _, _, err := n.Write(put(fmt.Sprint(i), "s", nextWeek)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 300 {
		write(i)
	}
	if !shard.snapshotDue(1, logger) {
		t.Fatal("the first snapshot is not due")
	}
	before := shard.late
	shard.snapshot(t.Context(), 1<<20, logger)
	late := shard.late
	if late == before || late < 0 || late >= snapshotLateMax {
		t.Fatalf("snapshots are late by %v and %v of the log", before, late)
	}
	list, err := shard.snapshots.List()
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	for i := 300; ; i++ {
		write(i)
		bytes, _ := shard.store.sinceSnapshot()
		enough := float64(bytes) >= float64(list[0].Size)*(1+late)
		if due := shard.snapshotDue(1, logger); due != enough {
			t.Fatalf("after %d bytes of log and a snapshot of %d, the next is due: %v", bytes, list[0].Size, due)
		}
		if shard.snapshotDue(bytes+1, logger) {
			t.Fatal("it is due before the least that is asked for")
		}
		if enough {
			return
		}
	}
}
