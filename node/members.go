package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"headcount/cluster"
	"headcount/transport"
)

const (
	joinTimeout  = 10 * time.Second
	leaveTimeout = 30 * time.Second // a node with much to hand over takes a while
)

// membershipRequest asks the cluster group's leader for a change of its nodes.
type membershipRequest struct {
	ID      string        `json:"id,omitempty"`
	Address string        `json:"address,omitempty"`
	Node    *cluster.Node `json:"node,omitempty"`
	// PassedOn says that a node that does not lead has sent it on already.
	PassedOn bool `json:"passedOn,omitempty"`
}

// membershipReply tells a refusal from a success. A failure that is neither comes
// as the request's error.
type membershipReply struct {
	Refused string `json:"refused,omitempty"`
	// NotFound says that it was refused because there is no such node.
	NotFound bool `json:"notFound,omitempty"`
}

// refusal returns the error that the reply tells, or nil.
func (m membershipReply) refusal() error {
	switch {
	case m.NotFound:
		return &NotFound{m.Refused}
	case m.Refused != "":
		return &Refused{m.Refused}
	default:
		return nil
	}
}

// Join adds the node at a peer address to the cluster. It returns when the cluster
// has registered it; the node then catches up and votes by itself. The error is a
// *Refused, or says that it could not be done now.
func (n *Node) Join(id, address string) error {
	ctx, cancel := context.WithTimeout(n.ctx, joinTimeout)
	defer cancel()
	return n.toLeader(ctx, kindJoin, membershipRequest{ID: id, Address: address})
}

// Leave removes a node: its leaderships move, then it is taken out of every group.
// It returns when the node is out. The error is a *Refused, a *NotFound, or says that
// it could not be done (yet).
func (n *Node) Leave(id string) error {
	ctx, cancel := context.WithTimeout(n.ctx, leaveTimeout)
	defer cancel()
	if err := n.toLeader(ctx, kindLeave, membershipRequest{ID: id}); err != nil {
		return err
	}
	for {
		changed := n.cluster.Changed()
		if _, known := n.cluster.State().Nodes[id]; !known {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return &Behind{fmt.Sprintf("node %s is leaving, but is not out after %v: see /cluster", id, leaveTimeout)}
		}
	}
}

// toLeader has the cluster group's leader handle a request, this node if it leads.
// While there is no leader it tries again, until ctx ends.
func (n *Node) toLeader(ctx context.Context, kind transport.Kind, r membershipRequest) error {
	last := errors.New("the cluster group has no leader")
	for {
		leader, _ := n.group.leader()
		if leader != "" {
			err := n.sendMembership(ctx, func(ctx context.Context, payload []byte) ([]byte, error) {
				if leader == n.options.Self.ID {
					return n.answerMembership(kind)(ctx, payload)
				}
				return n.peers.call(ctx, leader, kind, payload)
			}, r)
			var refusal *Refused
			var notFound *NotFound
			if err == nil || errors.As(err, &refusal) || errors.As(err, &notFound) {
				return err
			}
			last = err
		}
		if pause(ctx, 50*time.Millisecond); ctx.Err() != nil {
			return &Behind{fmt.Sprintf("it is not known whether the change was made; asking again is safe: %v", last)}
		}
	}
}

func (n *Node) sendMembership(ctx context.Context, send func(context.Context, []byte) ([]byte, error), r membershipRequest) error {
	payload, err := json.Marshal(r)
	if err != nil {
		return err
	}
	reply, err := send(ctx, payload)
	if err != nil {
		return err
	}
	var m membershipReply
	if err := json.Unmarshal(reply, &m); err != nil {
		return fmt.Errorf("the leader's answer is damaged: %w", err)
	}
	return m.refusal()
}

// answerMembership handles a request of one kind: here if this node leads the
// cluster group, otherwise by passing it on once.
func (n *Node) answerMembership(kind transport.Kind) transport.Handler {
	return func(ctx context.Context, payload []byte) ([]byte, error) {
		ctx, cancel := context.WithTimeout(ctx, joinTimeout)
		defer cancel()
		var r membershipRequest
		if err := json.Unmarshal(payload, &r); err != nil {
			return nil, fmt.Errorf("membership request: %w", err)
		}
		if !n.group.leads() {
			return n.passOn(ctx, kind, r)
		}
		err := n.changeMembership(ctx, kind, r)
		var mine *Refused
		var theirs *cluster.Refusal
		var notFound *NotFound
		switch {
		case errors.As(err, &mine):
			return json.Marshal(membershipReply{Refused: mine.Reason})
		case errors.As(err, &theirs):
			return json.Marshal(membershipReply{Refused: theirs.Reason})
		case errors.As(err, &notFound):
			return json.Marshal(membershipReply{Refused: notFound.Reason, NotFound: true})
		case err != nil:
			return nil, err
		}
		return json.Marshal(membershipReply{})
	}
}

// passOn sends a request to the leader that this node knows, once: two nodes that
// each take the other for the leader must not go on about it.
func (n *Node) passOn(ctx context.Context, kind transport.Kind, r membershipRequest) ([]byte, error) {
	leader, _ := n.group.leader()
	if leader == "" || leader == n.options.Self.ID || r.PassedOn {
		return nil, errors.New("the cluster group has no leader that is known here")
	}
	r.PassedOn = true
	payload, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return n.peers.call(ctx, leader, kind, payload)
}

func (n *Node) changeMembership(ctx context.Context, kind transport.Kind, r membershipRequest) error {
	switch kind {
	case kindJoin:
		return n.join(ctx, r.ID, r.Address)
	case kindLeave:
		return n.leave(ctx, r.ID)
	default:
		if r.Node == nil {
			return errors.New("update without a node")
		}
		known := n.cluster.State().Nodes[r.Node.ID]
		if known.Instance == r.Node.Instance && known.HTTP == r.Node.HTTP && known.Peer == r.Node.Peer && known.Gossip == r.Node.Gossip {
			return nil
		}
		return n.command(ctx, cluster.Command{UpdateNode: r.Node})
	}
}

// command proposes one command to the cluster group.
func (n *Node) command(ctx context.Context, c cluster.Command) error {
	response, err := n.group.apply(ctx, c.Encode())
	if err != nil {
		return err
	}
	if refusal, ok := response.(error); ok {
		return refusal
	}
	return nil
}

// join checks the node that is to be added, and registers it.
func (n *Node) join(ctx context.Context, id, address string) error {
	state := n.cluster.State()
	h, err := n.greet(ctx, address)
	switch {
	case err != nil:
		return refused("no Headcount node of this cluster's name answers at %s (%v): start it there first, and give its peer address", address, brief(err))
	case h.ID != id:
		return refused("the node at %s is %s, not %s: correct one of the two", address, h.ID, id)
	case state.Birth == nil:
		return errors.New("the cluster is not born yet")
	case h.Incarnation != "" && h.Incarnation != state.Birth.Incarnation:
		return refused("node %s is in a cluster already: remove its data directory first if it shall join this one", id)
	}
	if known, ok := state.Nodes[id]; ok && known.Instance == h.Instance && known.State != cluster.Leaving {
		return nil // asked before
	}
	if len(state.Nodes) >= n.options.VotersMax {
		return refused("the cluster has %d nodes, and every node votes in every shard: no more than %d are allowed (cluster.voters_max)", len(state.Nodes), n.options.VotersMax)
	}
	return n.command(ctx, cluster.Command{AddNode: &cluster.Node{
		ID: id, Instance: h.Instance, HTTP: h.HTTP, Peer: address, Gossip: h.Gossip,
	}})
}

// leave checks that the cluster works without a node, and begins its removal.
func (n *Node) leave(ctx context.Context, id string) error {
	state := n.cluster.State()
	leaver, ok := state.Nodes[id]
	if !ok {
		return &NotFound{fmt.Sprintf("there is no node %s: the nodes are %s", id, strings.Join(state.NodeIDs(), ", "))}
	}
	if leaver.State == cluster.Leaving {
		return nil // asked before
	}
	// A node that is still joining may vote in a shard already, so each one counts.
	voters := state.Holders(0)
	rest := slices.DeleteFunc(slices.Clone(voters), func(v string) bool { return v == id })
	alive, restAlive := n.answering(ctx, state, voters, id)
	if len(rest) == 0 {
		return refused("node %s is the last one that votes: without it the cluster is no more", id)
	}
	if alive < len(voters)/2+1 || restAlive < len(rest)/2+1 {
		return refused("without node %s only %d of %d voters would be alive, which is no majority: bring the others back first", id, restAlive, len(rest))
	}
	return n.command(ctx, cluster.Command{MarkLeaving: id})
}

// answering asks the voters who they are, now, as a report may be seconds old. It
// counts those that answer, with and without one of them.
func (n *Node) answering(ctx context.Context, state *cluster.State, voters []string, without string) (all, rest int) {
	answers := make([]bool, len(voters))
	var asking sync.WaitGroup
	for i, id := range voters {
		asking.Go(func() {
			if id == n.options.Self.ID {
				answers[i] = true
				return
			}
			h, err := n.greet(ctx, state.Nodes[id].Peer)
			answers[i] = err == nil && h.Instance == state.Nodes[id].Instance
		})
	}
	asking.Wait()
	for i, id := range voters {
		if answers[i] {
			all++
			if id != without {
				rest++
			}
		}
	}
	return all, rest
}

// leadCluster does what only the cluster group's leader does, until ctx ends.
func (n *Node) leadCluster(ctx context.Context) {
	if !n.group.settle(ctx) {
		return
	}
	every(ctx, reconcileEvery, func() {
		state := n.cluster.State()
		if state.Birth == nil {
			return // begin is at it
		}
		if want := n.wantedSettings(state.Settings); want != state.Settings {
			n.try(ctx, "settings replicated", cluster.Command{Settings: &want})
		}
		n.advanceNodes(ctx, state)
		reconcile(ctx, reconciliation{
			group: n.group, self: n.options.Self.ID, want: n.clusterVoters(), peers: n.peers,
			logger: n.logger.With("group", "cluster"),
		})
	})
}

// wantedSettings returns what this node's configuration asks for. A configuration
// without PostgreSQL does not end the copying that others do: on one node out of
// several it is a mistake, and what is acknowledged meanwhile would be missing there
// for good.
func (n *Node) wantedSettings(have cluster.Settings) cluster.Settings {
	want := n.options.Settings
	if want.OutboxBytesMax == 0 {
		want.OutboxBytesMax = have.OutboxBytesMax
		want.OutboxWindowBytesMax, want.OutboxWindowSeconds = have.OutboxWindowBytesMax, have.OutboxWindowSeconds
	}
	return want
}

// try proposes a command, and leaves it to the next time if that fails.
func (n *Node) try(ctx context.Context, what string, c cluster.Command) {
	if err := n.command(ctx, c); err != nil {
		n.logger.Warn("not yet: "+what, "err", err)
		return
	}
	n.logger.Info(what, "command", c)
}

// advanceNodes moves joining nodes to members and leaving ones out, when they are
// where that needs them to be.
func (n *Node) advanceNodes(ctx context.Context, state *cluster.State) {
	for _, id := range state.NodeIDs() {
		in, sure := n.groupsWith(state, id)
		if !sure {
			continue
		}
		switch s := state.Nodes[id].State; {
		case s == cluster.Joining && in == state.Birth.Shards && slices.Contains(n.group.voters(), id):
			n.try(ctx, "node is a member", cluster.Command{MarkMember: id})
		case s == cluster.Leaving && in == 0:
			if id == n.options.Self.ID {
				continue // reconcile moves the leadership first: the next leader goes on
			}
			n.try(ctx, "node has left", cluster.Command{RemoveNode: id})
		}
	}
}

// groupsWith counts the shards in whose configuration a node is, by the reports of
// their leaders. sure is false while a leader is unheard.
func (n *Node) groupsWith(state *cluster.State, id string) (in int, sure bool) {
	for shard := range state.Birth.Shards {
		servers := n.shardServers(state, shard)
		if servers == nil {
			return 0, false
		}
		if slices.Contains(servers, id) {
			in++
		}
	}
	return in, true
}

func (n *Node) shardServers(state *cluster.State, shard int) []string {
	name := fmt.Sprintf("shard-%d", shard)
	var servers []string
	var term uint64
	for _, id := range state.NodeIDs() {
		r, ok := n.reportOf(id)
		if !ok {
			continue
		}
		if g := r.Groups[name]; g.Role == roleLeader && g.Term >= term {
			servers, term = g.Servers, g.Term
		}
	}
	return servers
}

// reportOf returns the latest report of any node, this one included.
func (n *Node) reportOf(id string) (report, bool) {
	if id == n.options.Self.ID {
		return n.report(), true
	}
	return n.peers.latest(id)
}

// clusterVoters lists the nodes that shall vote in the cluster group: a leaving
// one stays until it is out of the shards, for it needs the document to go.
func (n *Node) clusterVoters() []string {
	state := n.cluster.State()
	var want []string
	for _, id := range state.NodeIDs() {
		if id == n.options.Self.ID && state.Nodes[id].State == cluster.Leaving {
			continue // hand the leadership over
		}
		want = append(want, id)
	}
	return want
}
