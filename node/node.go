package node

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"headcount/cluster"
	"headcount/fsm"
	"headcount/transport"
)

// outboxBlockBytes is what the outbox of a shard charges, drops and spools at once, some
// 2,000 memberships. It is part of what replicas agree on and must never change.
const outboxBlockBytes = 64 << 10

// With floodFactor times what memory should keep of an outbox, and floodBytesMin at least,
// a leader whose disk does not take the rest refuses writes. One entry may have a quarter
// of a megabyte, and a large one is no flood.
const (
	floodFactor   = 4
	floodBytesMin = 64 << 20
)

// handOverTimeout bounds how long a planned stop waits for other leaders.
const handOverTimeout = time.Second

// Addresses are where a node is reached.
type Addresses struct{ ID, HTTP, Peer, Gossip string }

// Options are what a node needs to run.
type Options struct {
	Self     Addresses
	DataDir  string
	Listener net.Listener // bound to Self.Peer
	Gossip   *cluster.Gossip

	// Cluster is the cluster's name; the rest of this block is what it is born
	// with, if this node is the first of Founders and nothing is born yet.
	Cluster       string
	Founders      []Addresses
	Shards        int
	BucketSeconds int64
	// Settings are what this node's configuration says. The cluster group's
	// leader replicates its own.
	Settings cluster.Settings
	// Join is the peer address of a member to ask for admission, "" to wait.
	Join      string
	VotersMax int // nodes that a cluster may have, since every node votes in every shard

	WriteTimeout  time.Duration
	QueueBytesMax int
	SkewMax       time.Duration
	Raft          RaftOptions
	// Schedule parses a schedule in a time zone.
	Schedule func(expression, timeZone string) (Schedule, error)
	Copy     Copier // nil: nothing is copied to PostgreSQL
	// OutboxMemoryBytes is what memory keeps, per shard, of what is or may have to be
	// copied; the rest is spooled to disk. 0: memory keeps it all.
	OutboxMemoryBytes int64
	// Fatal is called when the process must end, with the reason. It does not
	// return.
	Fatal  func(error)
	Logger *slog.Logger
}

// Node is a running node.
type Node struct {
	options   Options
	who       *identity
	clock     *clock
	transport *transport.Transport
	peers     *peers
	cluster   *cluster.Machine
	group     *group // the cluster group
	logger    *slog.Logger

	core     atomic.Pointer[core] // nil until the cluster is born
	schedule atomic.Pointer[Schedule]
	diverged atomic.Int64           // replicas seen with another digest at the same index
	standing atomic.Pointer[string] // why this node is in no cluster yet
	overlaps overlaps

	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// core is what a node has once its cluster is born.
type core struct {
	birth    cluster.Birth
	hashKey  [2]uint64
	replicas []*replica // by shard: every node holds every shard
	counts   *counts
}

// Open starts a node. It returns while the node still looks for its cluster: see
// [Node.Ready].
func Open(o Options) (_ *Node, err error) {
	o.Founders = slices.Clone(o.Founders)
	slices.SortFunc(o.Founders, func(a, b Addresses) int { return strings.Compare(a.ID, b.ID) })
	n := &Node{options: o, clock: newClock(o.SkewMax), cluster: cluster.NewMachine(), overlaps: newOverlaps(), logger: o.Logger}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	if n.who, err = openIdentity(o.DataDir, o.Self.ID, o.Cluster); err != nil {
		return nil, errors.Join(err, o.Listener.Close())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	n.transport = transport.New(transport.Config{
		Cluster:           o.Cluster,
		Instance:          n.who.instance(),
		Listener:          o.Listener,
		InstanceAt:        func(address string) transport.Instance { return n.peers.instanceAt(address) },
		AcceptUnaddressed: n.hasData,
		Logger:            n.logger,
	})
	n.peers = &peers{
		self: o.Self.ID, transport: n.transport, machine: n.cluster, clock: n.clock, logger: n.logger,
		own: n.report, commits: n.commits, heard: n.compareDigests,
	}
	n.peers.mu.reports = make(map[string]heardReport)
	if err := n.clearSpool(); err != nil {
		return nil, err
	}
	if err := n.openClusterGroup(); err != nil {
		return nil, err
	}
	n.handleRequests()
	n.transport.Serve()
	n.done.Go(func() { n.group.run(n.ctx, n.leadCluster) })
	n.done.Go(func() { n.peers.run(n.ctx) })
	n.done.Go(func() { n.keepCore(n.ctx) })
	n.done.Go(func() { n.seekCluster(n.ctx) })
	n.done.Go(func() { n.keepGossip(n.ctx) })
	n.done.Go(func() { n.rememberGroups(n.ctx, n.group) })
	n.done.Go(func() { keepLogs(n.ctx, o.Raft, n.groups, n.logger) })
	n.done.Go(func() { watchDisk(n.ctx, o.Raft, n.groups, o.Fatal) })
	return n, nil
}

// spoolDir is where outboxes go that memory has no room for.
func (n *Node) spoolDir() string { return filepath.Join(n.options.DataDir, "spool") }

// clearSpool makes the directory for it. What a process left there that ended between
// making a file and taking its name is of no use.
func (n *Node) clearSpool() error {
	if err := os.RemoveAll(n.spoolDir()); err != nil {
		return err
	}
	return os.MkdirAll(n.spoolDir(), 0o700)
}

func (n *Node) openClusterGroup() (err error) {
	n.group, err = n.openGroup(clusterGroup, "cluster", n.cluster)
	return err
}

// openGroup opens a group, which must have its data if it was open before.
func (n *Node) openGroup(number uint32, name string, machine raft.FSM) (*group, error) {
	g, err := openGroup(groupOptions{
		number: number, name: name, dir: filepath.Join(n.options.DataDir, "groups"), self: n.options.Self.ID,
		machine: machine, transport: n.transport, addresses: n.peers, raft: n.options.Raft,
		logger: raftLogger(n.logger), fatal: n.options.Fatal,
	})
	if err != nil {
		return nil, err
	}
	if g.empty && n.who.knows(name) {
		return nil, errors.Join(fmt.Errorf("the data of group %s is gone from %s, but this node had it: "+
			"let the node leave the cluster, remove its data directory, and let it join anew", name, n.options.DataDir), g.close())
	}
	return g, nil
}

// hasData reports whether this node has anything of the cluster group, so that it
// is who its peers remember.
func (n *Node) hasData() bool {
	return n.group != nil && (!n.group.empty || n.group.raft.LastIndex() > 0)
}

// groups lists the groups that are open.
func (n *Node) groups() []*group {
	if n.group == nil {
		return nil
	}
	all := []*group{n.group}
	if c := n.core.Load(); c != nil {
		all = append(all, c.groups()...)
	}
	return all
}

func (c *core) groups() (all []*group) {
	for _, r := range c.replicas {
		all = append(all, r.group)
	}
	return all
}

// keepCore opens the shards once the cluster is born and this node is part of it,
// and follows the schedule.
func (n *Node) keepCore(ctx context.Context) {
	var shards sync.WaitGroup
	defer shards.Wait()
	for ctx.Err() == nil {
		changed := n.cluster.Changed()
		state := n.cluster.State()
		if state.Birth != nil {
			n.follow(state.Settings)
			if _, known := state.Nodes[n.options.Self.ID]; known && n.core.Load() == nil {
				c, err := n.openCore(state)
				if err != nil {
					n.options.Fatal(fmt.Errorf("opening the shards: %w", err))
					return
				}
				n.core.Store(c)
				for _, r := range c.replicas {
					shards.Go(func() { r.run(ctx) })
				}
				shards.Go(func() { n.rememberGroups(ctx, c.groups()...) })
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// rememberGroups notes each group in the identity once it has data: from then on
// an empty one means that data was lost.
func (n *Node) rememberGroups(ctx context.Context, groups ...*group) {
	for _, g := range groups {
		for g.raft.LastIndex() == 0 {
			if pause(ctx, 100*time.Millisecond); ctx.Err() != nil {
				return
			}
		}
		if err := n.who.remember(g.name); err != nil {
			n.options.Fatal(err)
		}
	}
}

func (n *Node) follow(s cluster.Settings) {
	schedule, err := n.options.Schedule(s.TickSchedule, s.TickTimeZone)
	if err != nil {
		// It was checked by the node that replicated it: a difference of versions.
		n.logger.Error("the cluster's schedule cannot be read: no ticks from this node", "schedule", s.TickSchedule, "err", err)
		return
	}
	n.schedule.Store(&schedule)
}

func (n *Node) currentSchedule() Schedule {
	if s := n.schedule.Load(); s != nil {
		return *s
	}
	return nil
}

func (n *Node) openCore(state *cluster.State) (*core, error) {
	birth := *state.Birth
	c := &core{birth: birth}
	c.hashKey[0] = binary.LittleEndian.Uint64(birth.HashKey)
	c.hashKey[1] = binary.LittleEndian.Uint64(birth.HashKey[8:])
	c.counts = &counts{bucketSeconds: birth.BucketSeconds, clock: n.clock}
	for shard := range birth.Shards {
		r, err := n.openReplica(state, uint32(shard))
		if err != nil {
			for _, opened := range c.replicas {
				err = errors.Join(err, opened.group.close())
			}
			return nil, err
		}
		c.replicas = append(c.replicas, r)
		c.counts.machines = append(c.counts.machines, r.machine)
	}
	return c, nil
}

func (n *Node) openReplica(state *cluster.State, shard uint32) (*replica, error) {
	birth := state.Birth
	config := fsm.Config{
		Shard: shard, HashKey: [16]byte(birth.HashKey), BucketSeconds: birth.BucketSeconds, Born: birth.At,
		BlockBytes: outboxBlockBytes,
	}
	if _, err := hex.Decode(config.Incarnation[:], []byte(birth.Incarnation)); err != nil {
		return nil, fmt.Errorf("incarnation: %w", err)
	}
	machine := fsm.New(config)
	if bytes := n.options.OutboxMemoryBytes; bytes > 0 {
		machine.UseSpool(fsm.Spool{Dir: n.spoolDir(), MemoryBytes: bytes, FloodBytes: max(floodFactor*bytes, floodBytesMin)})
	}
	name := fmt.Sprintf("shard-%d", shard)
	g, err := n.openGroup(shard+1, name, machine)
	if err != nil {
		return nil, err
	}
	self := n.options.Self.ID
	r := &replica{
		shard: shard, self: self, group: g, machine: machine,
		clock: n.clock, peers: n.peers, cluster: n.cluster, schedule: n.currentSchedule,
		copyOut: n.options.Copy, logger: n.logger.With("shard", shard),
	}
	r.propose = newProposer(g.raft, r.stamp, machine.OutboxIsFull)
	r.lane = &lane{
		shard: shard, node: n.who.Instance, epoch: n.who.Epoch, timeout: n.options.WriteTimeout,
		attempt: r.attempt, leader: g.leader, bytesMax: n.options.QueueBytesMax, shards: birth.Shards, wake: make(chan struct{}, 1),
	}
	if first := birth.Founders[int(shard)%len(birth.Founders)]; g.empty && !n.who.knows(name) && first.Instance == n.who.Instance {
		if err := g.bootstrap(voters(birth.Founders)); err != nil {
			return nil, errors.Join(err, g.close())
		}
	}
	// At once: Raft goes through its log already, while further shards are opened.
	n.done.Go(func() { r.spoolOutbox(n.ctx) })
	return r, nil
}

// voters lists the founders as the voters that every shard begins with.
func voters(founders []cluster.Founder) []raft.Server {
	var servers []raft.Server
	for _, f := range founders {
		servers = append(servers, raft.Server{
			ID: raft.ServerID(f.ID), Address: raft.ServerAddress(f.Peer), Suffrage: raft.Voter,
		})
	}
	return servers
}

// born returns the core, or why there is none that may serve: what a node that has
// left the cluster holds grows old.
func (n *Node) born() (*core, error) {
	c := n.core.Load()
	if c == nil {
		return nil, &NotApplied{Reason: "this node serves no cluster yet: " + n.whyNot(), RetryAfter: time.Second}
	}
	if _, known := n.cluster.State().Nodes[n.options.Self.ID]; !known {
		return nil, &NotApplied{Reason: "this node has left the cluster: ask another", RetryAfter: time.Minute}
	}
	return c, nil
}

func (n *Node) whyNot() string {
	if s := n.standing.Load(); s != nil {
		return *s
	}
	return "it looks for the others"
}

// handOver asks other nodes to lead what this one leads, so that a planned stop
// costs no election. It is a courtesy: what does not move in time is elected.
func (n *Node) handOver() {
	var moving sync.WaitGroup
	defer moving.Wait()
	ctx, cancel := context.WithTimeout(n.ctx, handOverTimeout)
	context.AfterFunc(n.ctx, cancel)
	for _, g := range n.groups() {
		if g.leads() && len(g.voters()) > 1 {
			moving.Go(func() { _ = wait(ctx, g.raft.LeadershipTransfer()) })
		}
	}
}

// Close stops the node and waits for everything it started.
func (n *Node) Close() error {
	n.handOver()
	n.cancel()
	n.done.Wait()
	var errs []error
	if c := n.core.Load(); c != nil {
		for _, r := range c.replicas {
			errs = append(errs, r.group.close())
		}
	}
	if n.group != nil {
		errs = append(errs, n.group.close())
	}
	if n.transport != nil {
		errs = append(errs, n.transport.Close())
	}
	return errors.Join(append(errs, n.who.close())...)
}
