package systemtest

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A node that was away for longer than the others kept their logs catches up
// through a snapshot, and holds the same state.
func TestSnapshotRestore(t *testing.T) {
	database := newDatabase(t)
	c := startCluster(t, settings{
		postgresURL: database,
		raft:        map[string]string{"snapshot_bytes": "64KiB", "trailing_bytes": "64KiB"},
		logLevel:    "debug", // what Raft says of its snapshots
	})
	options := usualLoad(t)
	options.writes = max(options.writes, 30_000) // fewer bytes would not push a log along
	load := startLoad(t, bases(c.nodes), options)

	load.reach(load.share(10))
	away := c.nodes[2]
	c.kill(away)
	// What was on its way to it then has been applied by the others after that much more.
	load.reach(load.share(15))
	reached := indexes(t, c.running()[0])
	eventually(t, 2*time.Minute, "every log starting after the node that is away", func() error {
		for _, n := range c.running() {
			for shard, index := range reached {
				if first := firstKept(t, n, shard); first <= index {
					return fmt.Errorf("%s keeps shard %d from index %d, and the node stopped at %d", n.id, shard, first, index)
				}
			}
		}
		return nil
	})
	c.start(away)
	c.waitReady(away)

	result := load.finish()
	verify(t, c.nodes, result.model, 60, database)
	wantInstalled(t, away, len(reached))

	// And everything is in the nodes' own snapshots and logs too.
	c.kill(c.nodes...)
	c.startAll()
	c.waitReady(c.nodes...)
	verify(t, c.nodes, result.model, 60, database)
}

// wantInstalled wants a node, which logs for debugging, to have got a snapshot of every
// shard from another.
func wantInstalled(t *testing.T, n *node, shards int) {
	t.Helper()
	log, err := os.ReadFile(n.log)
	if err != nil {
		t.Fatal(err)
	}
	if installed := strings.Count(strings.ToLower(string(log)), "installed remote snapshot"); installed < shards {
		t.Errorf("%s installed %d snapshots for %d shards", n.id, installed, shards)
	}
}

// indexes returns the index of each of a node's replicas.
func indexes(t *testing.T, n *node) map[int]uint64 {
	t.Helper()
	view, err := getCluster(context.Background(), n.base)
	if err != nil {
		t.Fatal(err)
	}
	at := map[int]uint64{}
	for i, shard := range view.Shards {
		replica, ok := view.own(i)
		if !ok {
			t.Fatalf("%s lists no replica of its own of shard %d", n.id, shard.Shard)
		}
		at[shard.Shard] = replica.Index
	}
	return at
}

// compacting is what Raft logs when it removes entries from the front of a log.
var compacting = regexp.MustCompile(`raft\.shard-(\d+): compacting logs: from=\d+ to=(\d+)`)

// firstKept returns the first index in a node's log of a shard, by its own account.
func firstKept(t *testing.T, n *node, shard int) uint64 {
	t.Helper()
	log, err := os.ReadFile(n.log)
	if err != nil {
		t.Fatal(err)
	}
	var first uint64
	for _, line := range compacting.FindAllSubmatch(log, -1) {
		if string(line[1]) != strconv.Itoa(shard) {
			continue
		}
		to, err := strconv.ParseUint(string(line[2]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first = max(first, to+1)
	}
	return first
}
