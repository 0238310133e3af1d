package node

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"headcount/cluster"
	"headcount/fsm"
)

// testCluster is a cluster whose nodes run in this process, on real ports and real
// disks.
type testCluster struct {
	t         testing.TB
	dir       string
	shards    int
	addresses []Addresses
	nodes     map[string]*Node
	gossips   map[string]*cluster.Gossip
}

// everyMinute ticks at each minute.
type everyMinute struct{}

func (everyMinute) Next(t time.Time) time.Time { return t.Truncate(time.Minute).Add(time.Minute) }

func newTestCluster(t testing.TB, founders, shards int) *testCluster {
	c := &testCluster{
		t: t, dir: t.TempDir(), shards: shards,
		nodes: make(map[string]*Node), gossips: make(map[string]*cluster.Gossip),
	}
	for i := range founders {
		c.addresses = append(c.addresses, c.newAddresses(fmt.Sprintf("n%d", i+1)))
	}
	t.Cleanup(func() {
		for id := range c.nodes {
			c.stop(id)
		}
	})
	return c
}

func (c *testCluster) newAddresses(id string) Addresses {
	return Addresses{ID: id, HTTP: "127.0.0.1:1", Peer: freePort(c.t), Gossip: freePort(c.t)}
}

// The ports of these tests lie below those that the system gives to outgoing
// connections, or one of these might take a port before a node listens on it.
const portFirst, portLast = 12_000, 17_000

var portNext atomic.Int32

func init() { portNext.Store(int32(os.Getpid()) % (portLast - portFirst)) }

// freePort returns a loopback address on which nobody listens, TCP or UDP.
func freePort(t testing.TB) string {
	t.Helper()
	for range portLast - portFirst {
		address := fmt.Sprintf("127.0.0.1:%d", portFirst+portNext.Add(1)%(portLast-portFirst))
		tcp, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		tcp.Close()
		udp, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		udp.Close()
		return address
	}
	t.Fatal("no port is free")
	return ""
}

func (c *testCluster) start(a Addresses, join string) *Node {
	c.t.Helper()
	ln, err := net.Listen("tcp", a.Peer)
	if err != nil {
		c.t.Fatal(err)
	}
	level := slog.LevelWarn
	if os.Getenv("HEADCOUNT_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	logger := slog.New(slog.NewTextHandler(c.t.Output(), &slog.HandlerOptions{Level: level})).With("node", a.ID)
	gossip, err := cluster.StartGossip(cluster.GossipConfig{
		Bind: a.Gossip, Cluster: "test", Self: cluster.Hint{ID: a.ID, Peer: a.Peer}, Logger: logger,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	n, err := Open(Options{
		Self: a, DataDir: filepath.Join(c.dir, a.ID), Listener: ln, Gossip: gossip,
		Cluster: "test", Founders: c.addresses, Shards: c.shards, BucketSeconds: 60,
		Settings: cluster.Settings{SegmentsMax: 1000, HistoryPoints: 400, OutboxBytesMax: 1 << 30, TickSchedule: "every minute", TickTimeZone: "UTC"},
		Join:     join, VotersMax: 7, WriteTimeout: 5 * time.Second, QueueBytesMax: 8 << 20, SkewMax: time.Second,
		Raft: RaftOptions{
			HeartbeatTimeout: 300 * time.Millisecond, ElectionTimeout: 300 * time.Millisecond, LeaderLeaseTimeout: 150 * time.Millisecond,
			SnapshotBytes: 64 << 20, TrailingBytes: 1 << 20, DiskStallMax: time.Minute, LogStore: LogInWAL,
		},
		Schedule: func(string, string) (Schedule, error) { return everyMinute{}, nil },
		Fatal:    func(err error) { panic(err) },
		Logger:   logger,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.nodes[a.ID], c.gossips[a.ID] = n, gossip
	return n
}

func (c *testCluster) startAll() {
	c.t.Helper()
	for _, a := range c.addresses {
		c.start(a, "")
	}
	c.awaitReady()
}

func (c *testCluster) stop(id string) {
	if err := c.nodes[id].Close(); err != nil {
		c.t.Errorf("closing node %s: %v", id, err)
	}
	if err := c.gossips[id].Close(); err != nil {
		c.t.Errorf("closing gossip of %s: %v", id, err)
	}
	delete(c.nodes, id)
	delete(c.gossips, id)
}

func (c *testCluster) awaitReady() {
	c.t.Helper()
	for id, n := range c.nodes {
		var reasons []string
		eventually(c.t, "node "+id+" is ready", func() bool {
			ready, why := n.Ready()
			reasons = why
			return ready
		}, func() any { return reasons })
	}
}

// eventually waits until f is true, and fails with what seen returns otherwise.
func eventually(t testing.TB, what string, f func() bool, seen func() any) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s; seen: %v", what, seen())
		}
	}
}

// count reads a segment's count linearizably.
func (c *testCluster) count(id, segment string) int64 {
	c.t.Helper()
	var last error
	for range 20 {
		n, err := c.nodes[id].Count(Read{Linearizable: true}, []byte(segment))
		if err == nil {
			return n
		}
		last = err
	}
	c.t.Fatalf("counting %s on %s: %v", segment, id, last)
	return 0
}

// sameEverywhere waits until every replica of every shard is at the same index, and
// checks that they then have the same digest.
func (c *testCluster) sameEverywhere() {
	c.t.Helper()
	for shard := range c.shards {
		var looks []string
		eventually(c.t, fmt.Sprintf("replicas of shard %d at one index", shard), func() bool {
			looks = nil
			indexes := make(map[uint64]bool)
			digests := make(map[string]bool)
			for id, n := range c.nodes {
				look, _, _ := n.core.Load().replicas[shard].look("")
				indexes[look.Index], digests[look.Digest] = true, true
				looks = append(looks, fmt.Sprintf("%s: %d %s", id, look.Index, look.Digest))
			}
			if len(indexes) == 1 && len(digests) > 1 {
				c.t.Fatalf("shard %d has diverged: %v", shard, looks)
			}
			return len(indexes) == 1
		}, func() any { return looks })
	}
}

func put(id, segment string, expiry time.Time) fsm.Record {
	return fsm.Record{Op: fsm.OpPut, ID: []byte(id), Segment: []byte(segment), Expiry: expiry.Unix()}
}
