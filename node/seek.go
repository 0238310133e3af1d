package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"headcount/cluster"
	"headcount/transport"
)

const (
	seekEvery    = 300 * time.Millisecond
	helloTimeout = 2 * time.Second
)

// hello is what a node tells whoever asks who it is.
type hello struct {
	ID          string `json:"id"`
	Instance    string `json:"instance"`
	HTTP        string `json:"http"`
	Peer        string `json:"peer"`
	Gossip      string `json:"gossip"`
	Incarnation string `json:"incarnation,omitempty"` // of its cluster, if it is in one
	// Known is the instance that its cluster knows under the asking node's ID.
	Known string `json:"known,omitempty"`
}

// notLoaded stands for the incarnation of a node that has data but does not know
// yet what is in it.
const notLoaded = "not loaded yet"

// ask is the question of a hello.
type ask struct {
	ID string `json:"id"`
}

func (n *Node) answerHello(_ context.Context, payload []byte) ([]byte, error) {
	var a ask
	if err := json.Unmarshal(payload, &a); err != nil {
		return nil, fmt.Errorf("hello: %w", err)
	}
	self := n.options.Self
	h := hello{ID: self.ID, Instance: n.who.Instance, HTTP: self.HTTP, Peer: self.Peer, Gossip: self.Gossip}
	if state := n.cluster.State(); state.Birth != nil {
		h.Incarnation = state.Birth.Incarnation
		h.Known = state.Nodes[a.ID].Instance
	} else if n.hasData() {
		h.Incarnation = notLoaded
	}
	return json.Marshal(h)
}

// greet asks the node at an address who it is.
func (n *Node) greet(ctx context.Context, address string) (h hello, err error) {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	payload, err := json.Marshal(ask{n.options.Self.ID})
	if err != nil {
		return h, err
	}
	reply, err := n.transport.Call(ctx, address, kindHello, payload)
	if err != nil {
		return h, err
	}
	return h, json.Unmarshal(reply, &h)
}

// seekCluster brings a node with an empty data directory into a cluster: it asks
// for admission, or waits for it, or takes part in the birth of a new one.
//
// A cluster is born only when all its founders are there and have nothing, and by
// the first of them alone. So a founder that comes back with an empty disk finds
// the others in a cluster already, and founds nothing.
func (n *Node) seekCluster(ctx context.Context) {
	for ctx.Err() == nil {
		if _, known := n.cluster.State().Nodes[n.options.Self.ID]; known {
			n.stand("")
			n.logger.Info("in the cluster", "incarnation", n.cluster.State().Birth.Incarnation)
			n.keepAddresses(ctx)
			return
		}
		switch {
		case n.hasData() && !n.isUnborn():
			// A cluster's data, so what is needed comes from its log.
			if n.cluster.State().Birth != nil {
				n.stand("it has left the cluster: to join again, remove its data directory")
			} else {
				n.stand("it waits for the cluster group's leader")
				n.announce(ctx)
			}
		case n.options.Join != "":
			n.askToJoin(ctx)
		default:
			n.found(ctx)
		}
		pause(ctx, seekEvery)
	}
}

// isUnborn reports whether this node began the cluster group but ended before the
// cluster had its first document: then it is to go on where it was.
func (n *Node) isUnborn() bool {
	return n.cluster.State().Birth == nil && n.group.leads() && len(n.group.voters()) == 1
}

// stand notes why this node is in no cluster yet, and says so once.
func (n *Node) stand(why string) {
	if old := n.standing.Swap(&why); why != "" && (old == nil || *old != why) {
		n.logger.Info("not in a cluster yet", "reason", why)
	}
}

func (n *Node) askToJoin(ctx context.Context) {
	self := n.options.Self
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	err := n.sendMembership(ctx, func(ctx context.Context, payload []byte) ([]byte, error) {
		return n.transport.Call(ctx, n.options.Join, kindJoin, payload)
	}, membershipRequest{ID: self.ID, Address: self.Peer})
	if err != nil {
		n.stand(fmt.Sprintf("%s did not admit it: %v", n.options.Join, err))
		return
	}
	n.stand("it was admitted and waits for the cluster group's log")
}

// found looks at the other founders and, if this is the first of them and nothing
// is born, begins the cluster.
func (n *Node) found(ctx context.Context) {
	founders := n.options.Founders
	greetings := make([]hello, len(founders))
	errs := make([]error, len(founders))
	var asking sync.WaitGroup
	for i, f := range founders {
		if f.ID != n.options.Self.ID {
			asking.Go(func() { greetings[i], errs[i] = n.greet(ctx, f.Peer) })
		}
	}
	asking.Wait()
	for i, h := range greetings {
		switch {
		case errs[i] != nil || h.Incarnation == "":
		case h.Incarnation == notLoaded:
			n.stand(fmt.Sprintf("node %s is in a cluster that it has not loaded yet", h.ID))
			return
		case h.Known != "" && h.Known != n.who.Instance:
			n.stand(fmt.Sprintf("refused: node %s is in a cluster that knows this node's id with another data directory. "+
				"Was the disk lost? Let %s leave the cluster (POST /cluster/leave), then start it with --join", h.ID, n.options.Self.ID))
			return
		case h.Known == "":
			n.stand(fmt.Sprintf("node %s is in a cluster that does not know this node: start it with --join %s, or POST /cluster/join there", h.ID, h.Peer))
			return
		default:
			n.stand("it is admitted and waits for the cluster group's log")
			return
		}
	}
	for i, f := range founders {
		if err := errs[i]; err != nil {
			n.stand(fmt.Sprintf("a new cluster needs all its founders, and %s (%s) does not answer: %v", f.ID, f.Peer, brief(err)))
			return
		}
		if h := greetings[i]; f.ID != n.options.Self.ID && h.ID != f.ID {
			n.stand(fmt.Sprintf("at %s is node %s, not %s: correct the addresses", f.Peer, h.ID, f.ID))
			return
		}
	}
	if len(founders) == 0 || founders[0].ID != n.options.Self.ID {
		n.stand("the first founder begins the cluster")
		return
	}
	if err := n.begin(ctx, greetings); err != nil {
		n.logger.Error("the cluster could not be born", "err", err)
	}
}

// brief drops what a reader of a status page need not see.
func brief(err error) error {
	if errors.Is(err, transport.ErrNotSent) {
		return errors.New("cannot connect")
	}
	return err
}

// begin bootstraps the cluster group with this node alone and gives it its first
// document. The other founders come in as any node does, first without a vote.
func (n *Node) begin(ctx context.Context, greetings []hello) error {
	self := n.options.Self
	if err := n.group.bootstrap([]raft.Server{{
		ID: raft.ServerID(self.ID), Address: raft.ServerAddress(self.Peer), Suffrage: raft.Voter,
	}}); err != nil {
		return err
	}
	var drawn [32]byte
	if _, err := rand.Read(drawn[:]); err != nil {
		return err
	}
	birth := cluster.Birth{
		Incarnation: hex.EncodeToString(drawn[:16]), HashKey: drawn[16:],
		Shards: n.options.Shards, BucketSeconds: n.options.BucketSeconds, At: n.clock.now(),
	}
	var nodes []cluster.Node
	for i, f := range n.options.Founders {
		instance := greetings[i].Instance
		if f.ID == self.ID {
			instance = n.who.Instance
		}
		birth.Founders = append(birth.Founders, cluster.Founder{ID: f.ID, Instance: instance, Peer: f.Peer})
		nodes = append(nodes, cluster.Node{
			ID: f.ID, Instance: instance, HTTP: f.HTTP, Peer: f.Peer, Gossip: f.Gossip, State: cluster.Joining,
		})
	}
	entry := cluster.Command{BeginLife: &cluster.Begin{Birth: birth, Settings: n.options.Settings, Nodes: nodes}}.Encode()
	for n.cluster.State().Birth == nil {
		if _, err := n.group.apply(ctx, entry); err != nil {
			n.logger.Debug("not born yet", "err", err)
			pause(ctx, 100*time.Millisecond)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	n.logger.Info("cluster born", "incarnation", birth.Incarnation, "shards", birth.Shards, "founders", len(birth.Founders))
	return nil
}

// keepAddresses tells the cluster when this node's own addresses have changed.
func (n *Node) keepAddresses(ctx context.Context) {
	for ctx.Err() == nil {
		self := n.options.Self
		known, ok := n.cluster.State().Nodes[self.ID]
		if !ok || known.HTTP == self.HTTP && known.Peer == self.Peer && known.Gossip == self.Gossip {
			return
		}
		n.announce(ctx)
		pause(ctx, time.Second)
	}
}

// announce tells every node that this one knows of where it is now. The cluster
// group's leader may not be able to reach this node before it has heard that, so
// any node will do: it passes it on.
func (n *Node) announce(ctx context.Context) {
	self := n.options.Self
	request := membershipRequest{Node: &cluster.Node{
		ID: self.ID, Instance: n.who.Instance, HTTP: self.HTTP, Peer: self.Peer, Gossip: self.Gossip,
	}}
	addresses := make(map[string]bool)
	for _, f := range n.options.Founders {
		addresses[f.Peer] = true
	}
	for _, known := range n.cluster.State().Nodes {
		addresses[known.Peer] = true
	}
	delete(addresses, self.Peer)
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	var telling sync.WaitGroup
	for address := range addresses {
		telling.Go(func() {
			err := n.sendMembership(ctx, func(ctx context.Context, payload []byte) ([]byte, error) {
				return n.transport.Call(ctx, address, kindUpdate, payload)
			}, request)
			if err != nil {
				n.logger.Debug("addresses not updated yet", "by", address, "err", err)
			}
		})
	}
	telling.Wait()
}
