package node

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"headcount/transport"
)

// The roles of a server, as status pages show them.
const (
	roleLeader    = "leader"
	roleFollower  = "follower"
	roleCandidate = "candidate"
	roleNonvoter  = "nonvoter"
)

// report says what this node is and has.
func (n *Node) report() report {
	r := report{Node: n.options.Self.ID, Instance: n.who.Instance, Clock: time.Now().UnixNano(), Groups: make(map[string]groupReport)}
	r.Groups[n.group.name] = n.group.report(r.Node)
	if c := n.core.Load(); c != nil {
		for _, replica := range c.replicas {
			g := replica.group.report(r.Node)
			look, copied, lastTick := replica.look(g.Role)
			g.Replica, g.LastTick = &look, lastTick
			if g.Role == roleLeader {
				g.Copied = &copied
			}
			r.Groups[replica.group.name] = g
		}
	}
	return r
}

// commits returns the commit index of each group.
func (n *Node) commits() map[string]uint64 {
	commits := make(map[string]uint64)
	for _, g := range n.groups() {
		commits[g.name] = g.raft.CommitIndex()
	}
	return commits
}

func (g *group) report(self string) groupReport {
	servers := g.servers()
	r := groupReport{
		Role: g.role(self, servers), Term: g.raft.CurrentTerm(), Applied: g.raft.AppliedIndex(), Commit: g.raft.CommitIndex(),
	}
	if r.Role == roleLeader {
		r.Servers = []string{}
		for _, s := range servers {
			r.Servers = append(r.Servers, string(s.ID))
		}
	}
	return r
}

func (g *group) role(self string, servers []raft.Server) string {
	switch g.raft.State() {
	case raft.Leader:
		return roleLeader
	case raft.Candidate:
		return roleCandidate
	}
	if i := slices.IndexFunc(servers, func(s raft.Server) bool { return string(s.ID) == self }); i >= 0 && servers[i].Suffrage == raft.Voter {
		return roleFollower
	}
	return roleNonvoter
}

// compareDigests looks for a replica that has diverged from ours. That must never
// happen; which of the two is wrong nobody can say here, so it is reported as
// loudly as can be and left to people.
func (n *Node) compareDigests(r report) {
	c := n.core.Load()
	if c == nil {
		return
	}
	for _, replica := range c.replicas {
		theirs := r.Groups[replica.group.name].Replica
		if theirs == nil {
			continue
		}
		ours, _, _ := replica.look("")
		if theirs.Index == ours.Index && theirs.Digest != ours.Digest {
			n.diverged.Add(1)
			n.logger.Error("replicas have diverged: stop writing and compare the nodes",
				"shard", replica.shard, "index", ours.Index, "digest", ours.Digest, "node", r.Node, "theirs", theirs.Digest)
		}
	}
}

// handleRequests registers what this node answers on the peer port.
func (n *Node) handleRequests() {
	n.transport.Handle(kindHello, n.answerHello)
	n.transport.Handle(kindReport, n.peers.answer)
	n.transport.Handle(kindForward, n.answerForward)
	n.transport.Handle(kindReadIndex, n.answerReadIndex)
	for _, kind := range []transport.Kind{kindJoin, kindLeave, kindUpdate} {
		n.transport.Handle(kind, n.answerMembership(kind))
	}
}

// answerForward submits a batch that another node's lane sends. What it returns as
// an error means that nothing was submitted.
func (n *Node) answerForward(ctx context.Context, payload []byte) ([]byte, error) {
	shard, b, err := parseForward(payload)
	if err != nil {
		return nil, err
	}
	r, err := n.replica(shard)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, n.options.WriteTimeout)
	defer cancel()
	d, err := r.propose.submit(ctx, b)
	return appendOutcome(make([]byte, 0, 16+b.Count), d, err), nil
}

func (n *Node) answerReadIndex(ctx context.Context, payload []byte) ([]byte, error) {
	shard, size := binary.Uvarint(payload)
	if size <= 0 {
		return nil, fmt.Errorf("read index: no shard number")
	}
	r, err := n.replica(uint32(shard))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	index, err := r.readIndex(ctx)
	if err != nil {
		return nil, err
	}
	return binary.AppendUvarint(nil, index), nil
}

func (n *Node) replica(shard uint32) (*replica, error) {
	c := n.core.Load()
	if c == nil || int(shard) >= len(c.replicas) {
		return nil, fmt.Errorf("shard %d is not open on this node", shard)
	}
	return c.replicas[shard], nil
}
