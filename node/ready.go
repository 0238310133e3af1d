package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"headcount/cluster"
)

// contactMax is how long a follower may go without hearing from its leader before
// its node is not ready: its counts would be that old.
const contactMax = 5 * time.Second

// Ready reports whether this node can serve reads and writes, and why not.
func (n *Node) Ready() (ready bool, reasons []string) {
	c := n.core.Load()
	if c == nil {
		return false, []string{"not in a cluster yet: " + n.whyNot()}
	}
	switch state, known := n.cluster.State().Nodes[n.options.Self.ID]; {
	case !known:
		reasons = append(reasons, "this node has left the cluster")
	case state.State == cluster.Leaving:
		reasons = append(reasons, "this node is leaving the cluster")
	}
	for _, r := range c.replicas {
		if why := r.unready(); why != "" {
			reasons = append(reasons, fmt.Sprintf("shard %d %s", r.shard, why))
		}
	}
	return len(reasons) == 0, reasons
}

// unready says why this replica cannot serve, "" if it can.
func (r *replica) unready() string {
	leader, _ := r.group.leader()
	switch {
	case leader == "":
		return "has no leader"
	case leader == r.self && r.settled.Load() == 0:
		return "has a new leader that is not settled yet"
	case leader != r.self && time.Since(r.group.raft.LastContact()) > contactMax:
		return "has not heard from its leader lately"
	}
	if !r.caughtUp.Load() {
		if !r.hasWhatLeaderHad(leader) {
			return "is catching up"
		}
		r.caughtUp.Store(true)
	}
	return ""
}

// hasWhatLeaderHad reports whether this machine has reached the index that the leader's
// had when it last reported. Raft's own commit index would not do: after a start it is
// what the log on disk tells, until the leader has told more.
func (r *replica) hasWhatLeaderHad(leader string) bool {
	if leader == r.self {
		return true // it is settled
	}
	report, ok := r.peers.latest(leader)
	theirs := report.Groups[r.group.name]
	return ok && theirs.Role == roleLeader && theirs.Replica != nil && r.machine.Index() >= theirs.Replica.Index
}

// keepGossip introduces this node to those it does not hear.
func (n *Node) keepGossip(ctx context.Context) {
	every(ctx, 2*time.Second, func() {
		addresses := make(map[string]string)
		for _, f := range n.options.Founders {
			addresses[f.ID] = f.Gossip
		}
		for id, known := range n.cluster.State().Nodes {
			addresses[id] = known.Gossip
		}
		delete(addresses, n.options.Self.ID)
		n.options.Gossip.Join(addresses)
	})
}

// Leaderships lists the groups that this node leads, for its log and metrics.
func (n *Node) Leaderships() string {
	var names []string
	for _, g := range n.groups() {
		if g.leads() {
			names = append(names, g.name)
		}
	}
	return strings.Join(names, ",")
}
