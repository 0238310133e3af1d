package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"headcount/fsm"
)

var nextWeek = time.Now().Add(7 * 24 * time.Hour)

func TestAnyNodeTakesWritesAndAllNodesCountThem(t *testing.T) {
	c := newTestCluster(t, 3, 4)
	c.startAll()
	for i, id := range []string{"n1", "n2", "n3"} {
		for u := range 50 {
			status, _, err := c.nodes[id].Write(put(fmt.Sprintf("u%d-%d", i, u), "sports", nextWeek))
			if err != nil || status != fsm.Created {
				t.Fatalf("write on %s: %v, %v", id, status, err)
			}
		}
	}
	for id := range c.nodes {
		if n := c.count(id, "sports"); n != 150 {
			t.Errorf("node %s counts %d, not 150", id, n)
		}
		view, err := c.nodes[id].Counts(Read{Linearizable: true})
		if err != nil || string(view.Body) != `[{"title":"sports","usersCount":150}]` {
			t.Errorf("node %s: %s, %v", id, view.Body, err)
		}
	}
	c.sameEverywhere()
}

func TestWriteReturnsAVersionThatOtherNodesWaitFor(t *testing.T) {
	c := newTestCluster(t, 3, 2)
	c.startAll()
	for i := range 200 {
		_, at, err := c.nodes["n1"].Write(put(fmt.Sprintf("u%d", i), "s", nextWeek))
		if err != nil {
			t.Fatal(err)
		}
		view, err := c.nodes["n3"].Counts(Read{Min: []ShardIndex{at}})
		if err != nil || view.Segments[0].UsersCount != int64(i+1) {
			t.Fatalf("after write %d: %v, %v", i, view, err)
		}
	}
}

// Leaderships move again and again under load. Every write is new, so a batch that
// was applied twice would answer Renewed or Unchanged the second time, and one that
// was lost would not be counted.
func TestBatchesTakeEffectOnceWhileLeadershipsMove(t *testing.T) {
	c := newTestCluster(t, 3, 2)
	c.startAll()
	const writers, each = 16, 400
	var acked atomic.Int64
	stop := make(chan struct{})
	var moving, writing sync.WaitGroup
	moving.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(150 * time.Millisecond):
			}
			for _, n := range c.nodes {
				for _, r := range n.core.Load().replicas {
					if r.group.leads() {
						_ = r.group.raft.LeadershipTransfer().Error() // some fail: that is the point
					}
				}
			}
		}
	})
	for w := range writers {
		n := c.nodes[fmt.Sprintf("n%d", w%3+1)]
		writing.Go(func() {
			for i := range each {
				for {
					status, _, err := n.Write(put(fmt.Sprintf("u%d-%d", w, i), "s", nextWeek))
					var open *Unknown
					if err == nil && status != fsm.Created {
						t.Errorf("writer %d: record %d: status %d, not created", w, i, status)
					}
					if err == nil {
						break
					}
					if errors.As(err, &open) {
						t.Logf("writer %d: record %d: %v", w, i, err)
						break // it may or may not be there
					}
				}
				acked.Add(1)
			}
		})
	}
	writing.Wait()
	close(stop)
	moving.Wait()
	for id := range c.nodes {
		if n := c.count(id, "s"); n != acked.Load() {
			t.Errorf("node %s counts %d of %d", id, n, acked.Load())
		}
	}
	c.sameEverywhere()
}

func TestRestartFindsEverything(t *testing.T) {
	c := newTestCluster(t, 3, 2)
	c.startAll()
	for i := range 100 {
		if _, _, err := c.nodes["n1"].Write(put(fmt.Sprint(i), "s", nextWeek)); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range c.addresses {
		c.stop(a.ID)
	}
	c.startAll()
	for id := range c.nodes {
		if n := c.count(id, "s"); n != 100 {
			t.Errorf("node %s counts %d after the restart", id, n)
		}
	}
	c.sameEverywhere()
}

func TestWipedNodeIsRefused(t *testing.T) {
	c := newTestCluster(t, 3, 1)
	c.startAll()
	a := c.addresses[2]
	c.stop(a.ID)
	if err := os.RemoveAll(filepath.Join(c.dir, a.ID)); err != nil {
		t.Fatal(err)
	}
	n := c.start(a, "")
	var reasons []string
	eventually(t, "the wiped node says that it is refused", func() bool {
		_, reasons = n.Ready()
		return strings.Contains(strings.Join(reasons, " "), "refused")
	}, func() any { return reasons })
	if n.hasData() {
		t.Error("the wiped node was given data under its old ID")
	}
	if _, _, err := c.nodes["n1"].Write(put("u", "s", nextWeek)); err != nil {
		t.Errorf("the other two do not go on: %v", err)
	}
}

// A node that lost its disk leaves and joins anew under the same ID. It counts its
// starts from one again: the shards must not take its batches for those of its former
// life, nor may it begin a shard that it founded once.
func TestNodeRejoinsWithANewDisk(t *testing.T) {
	c := newTestCluster(t, 3, 3) // n3 was to begin the last shard
	c.startAll()
	write := func(round string) {
		t.Helper()
		for i := range 20 {
			status, _, err := c.nodes["n3"].Write(put(fmt.Sprint(round, i), "s", nextWeek))
			if err != nil || status != fsm.Created {
				t.Fatalf("%s life, write %d: status %d, %v", round, i, status, err)
			}
		}
	}
	write("first")
	a := c.addresses[2]
	c.stop(a.ID)
	if err := os.RemoveAll(filepath.Join(c.dir, a.ID)); err != nil {
		t.Fatal(err)
	}
	if err := c.nodes["n1"].Leave(a.ID); err != nil {
		t.Fatalf("the lost node does not leave: %v", err)
	}
	c.start(a, c.addresses[0].Peer)
	c.awaitReady()
	write("second")
	if n := c.count("n3", "s"); n != 40 {
		t.Errorf("it counts %d, not 40", n)
	}
	c.sameEverywhere()
}

func TestNodeJoinsServesAndLeaves(t *testing.T) {
	c := newTestCluster(t, 3, 2)
	c.startAll()
	for i := range 500 {
		if _, _, err := c.nodes["n1"].Write(put(fmt.Sprint(i), "s", nextWeek)); err != nil {
			t.Fatal(err)
		}
	}
	a := c.newAddresses("n4")
	var refusal *Refused
	if err := c.nodes["n2"].Join("n4", a.Peer); !errors.As(err, &refusal) {
		t.Errorf("joining a node that does not run: %v", err)
	}
	n4 := c.start(a, "")
	if err := c.nodes["n2"].Join("n9", a.Peer); !errors.As(err, &refusal) {
		t.Errorf("joining a node under another's ID: %v", err)
	}
	if err := c.nodes["n2"].Join("n4", a.Peer); err != nil {
		t.Fatalf("joining: %v", err)
	}
	c.awaitReady()
	eventually(t, "n4 is a member", func() bool { return n4.cluster.State().Nodes["n4"].State == "member" }, func() any { return n4.Status() })
	// What the leaders committed may reach n4 after it knows from the cluster group that it
	// is a member: a majority is enough for that.
	for _, r := range n4.core.Load().replicas {
		eventually(t, "n4 knows that it is a voter", func() bool { return len(r.voters()) == 4 }, func() any { return r.voters() })
	}
	if n := c.count("n4", "s"); n != 500 {
		t.Errorf("n4 counts %d", n)
	}
	if _, _, err := n4.Write(put("by n4", "s", nextWeek)); err != nil {
		t.Errorf("n4 takes no writes: %v", err)
	}
	c.sameEverywhere()

	var notFound *NotFound
	for id, n := range c.nodes { // the leader and those that ask it
		if err := n.Leave("n7"); !errors.As(err, &notFound) || !strings.Contains(err.Error(), "n1, n2, n3, n4") {
			t.Errorf("an unknown node left, said %s: %v", id, err)
		}
	}
	if err := c.nodes["n3"].Leave("n1"); err != nil {
		t.Fatalf("n1 does not leave: %v", err)
	}
	c.stop("n1")
	if n := c.count("n4", "s"); n != 501 {
		t.Errorf("without n1, n4 counts %d", n)
	}
	c.stop("n2")
	if err := c.nodes["n3"].Leave("n4"); !errors.As(err, &refusal) && err == nil {
		t.Error("a leave that breaks the majority was not refused")
	}
}
