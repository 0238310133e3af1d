package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"headcount/transport"
)

// clusterGroup is the number of the cluster group on the peer port. Shard s is
// group s+1.
const clusterGroup = 0

// logCacheEntries bounds the entries that Raft keeps in memory for replication:
// at 256 KiB each, 16 MiB per group.
const logCacheEntries = 64

// commitTimeout bounds how long a leader with nothing more to replicate waits until it
// tells followers what is committed: how far their counts lag behind an idle leader's.
const commitTimeout = 20 * time.Millisecond

// streamsPerPeer is how many idle Raft streams are kept to each peer and group.
const streamsPerPeer = 3

// RaftOptions are the timings and bounds of every group.
type RaftOptions struct {
	HeartbeatTimeout   time.Duration
	ElectionTimeout    time.Duration
	LeaderLeaseTimeout time.Duration
	SnapshotBytes      int64 // log bytes after which a snapshot is taken, or as many as the last one has
	TrailingBytes      int64 // log bytes kept behind a snapshot, for followers that lag
	DiskStallMax       time.Duration
	LogStore           LogStoreKind
}

// group is one Raft group on this node.
type group struct {
	name      string
	raft      *raft.Raft
	store     *logStore
	snapshots *snapshotStore
	streams   *raft.NetworkTransport
	stop      context.CancelFunc // ends what waits in streams, before Raft is shut down
	empty     bool               // there was nothing on disk when it was opened
	late      float64            // by which share of its log the next snapshot is late; of the goroutine that takes them

	notify   chan bool // Raft's word on our leadership
	observed chan raft.Observation
	observer *raft.Observer

	began atomic.Int64 // Unix nanoseconds when this node's leadership began

	leading struct { // by whom, as far as we know
		sync.Mutex
		id     string
		ctx    context.Context // ends when another leads
		cancel context.CancelFunc
	}
}

type groupOptions struct {
	number    uint32
	name      string
	dir       string
	self      string // node ID
	machine   raft.FSM
	transport *transport.Transport
	addresses raft.ServerAddressProvider
	raft      RaftOptions
	logger    hclog.Logger
	fatal     func(error)
}

func openGroup(o groupOptions) (_ *group, err error) {
	dir := filepath.Join(o.dir, o.name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("group %s: %w", o.name, err)
	}
	logger := o.logger.Named(o.name)
	g := &group{
		name:     o.name,
		notify:   make(chan bool, 64),            // Raft waits when it is full: far more than a term's changes
		observed: make(chan raft.Observation, 8), // a full one is fine: what counts is that there is one
		late:     lateness(),
	}
	g.leading.ctx, g.leading.cancel = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("group %s: %w", o.name, err), g.closeStores())
		}
	}()
	if g.store, err = openLogStore(dir, o.raft.LogStore, logger, o.fatal); err != nil {
		return nil, err
	}
	if g.snapshots, err = openSnapshotStore(dir, logger); err != nil {
		return nil, err
	}
	held, err := raft.HasExistingState(g.store, g.store, g.snapshots)
	if err != nil {
		return nil, err
	}
	g.empty = !held
	cache, err := raft.NewLogCache(logCacheEntries, g.store)
	if err != nil {
		return nil, err
	}
	layer, err := o.transport.Group(o.number)
	if err != nil {
		return nil, err
	}
	g.streams = raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		ServerAddressProvider: o.addresses,
		Logger:                logger,
		Stream:                layer,
		MaxPool:               streamsPerPeer,
		Timeout:               10 * time.Second,
	})
	stopped, stop := context.WithCancel(context.Background())
	g.stop = stop
	streams := patientTransport{g.streams, stopped}
	g.raft, err = raft.NewRaft(g.config(o, logger), o.machine, cache, g.store, g.snapshots, streams)
	if err != nil {
		return nil, err
	}
	g.observer = raft.NewObserver(g.observed, false, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.LeaderObservation)
		return ok
	})
	g.raft.RegisterObserver(g.observer)
	return g, nil
}

func (g *group) config(o groupOptions, logger hclog.Logger) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(o.self)
	c.HeartbeatTimeout = o.raft.HeartbeatTimeout
	c.ElectionTimeout = o.raft.ElectionTimeout
	c.LeaderLeaseTimeout = o.raft.LeaderLeaseTimeout
	c.CommitTimeout = commitTimeout
	c.NotifyCh = g.notify
	c.Logger = logger
	c.NoLegacyTelemetry = true
	c.ShutdownOnRemove = false // a node that left goes on answering that it has
	// Snapshots are taken by bytes, see keepLogs: entries differ a thousandfold.
	c.SnapshotThreshold = 1 << 62
	c.SnapshotInterval = time.Hour
	return c
}

// bootstrap begins the group with these voters. It is for the one node that the
// birth of the cluster names, and only when the group is empty.
func (g *group) bootstrap(voters []raft.Server) error {
	err := g.raft.BootstrapCluster(raft.Configuration{Servers: voters}).Error()
	if err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
		return fmt.Errorf("group %s: bootstrapping: %w", g.name, err)
	}
	return nil
}

// run follows who leads, and calls work under a context that ends with this
// node's leadership. It returns when ctx has ended and work has returned.
func (g *group) run(ctx context.Context, work func(ctx context.Context)) {
	var now term
	defer func() { now.end() }()
	for {
		g.noteLeader()
		select {
		case leads := <-g.notify:
			g.noteLeader()
			now.end()
			now = term{}
			if leads {
				g.began.Store(time.Now().UnixNano())
				now = beginTerm(ctx, work)
			}
		case <-g.observed:
		case <-ctx.Done():
			return
		}
	}
}

// term is the work of one leadership; the zero term is none.
type term struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func beginTerm(ctx context.Context, work func(ctx context.Context)) term {
	ctx, cancel := context.WithCancel(ctx)
	t := term{cancel, make(chan struct{})}
	go func() {
		defer close(t.done)
		work(ctx)
	}()
	return t
}

// end cancels the work and waits for it.
func (t term) end() {
	if t.cancel != nil {
		t.cancel()
		<-t.done
	}
}

// noteLeader takes notice of a change of leader.
func (g *group) noteLeader() {
	_, id := g.raft.LeaderWithID()
	l := &g.leading
	l.Lock()
	defer l.Unlock()
	if string(id) == l.id {
		return
	}
	l.cancel()
	l.id = string(id)
	l.ctx, l.cancel = context.WithCancel(context.Background())
}

// leader returns the ID of the node that leads, "" if none is known, and a context
// that ends when that changes.
func (g *group) leader() (id string, until context.Context) {
	l := &g.leading
	l.Lock()
	defer l.Unlock()
	return l.id, l.ctx
}

// leads reports whether this node believes that it leads.
func (g *group) leads() bool { return g.raft.State() == raft.Leader }

// settle waits until this node, which leads, has applied everything that was
// committed in earlier terms.
func (g *group) settle(ctx context.Context) bool {
	for ctx.Err() == nil {
		if wait(ctx, g.raft.Barrier(time.Second)) == nil {
			return true
		}
		pause(ctx, 20*time.Millisecond)
	}
	return false
}

// ledFor says how long this node has led. It is meaningful while it does.
func (g *group) ledFor() time.Duration { return time.Since(time.Unix(0, g.began.Load())) }

// servers returns the latest configuration.
func (g *group) servers() []raft.Server {
	f := g.raft.GetConfiguration()
	if f.Error() != nil {
		return nil
	}
	return f.Configuration().Servers
}

// wait waits for a future, but not beyond ctx: Raft may keep it for long.
func wait(ctx context.Context, f raft.Future) error {
	done := make(chan error, 1) // so that a late answer finds room
	go func() { done <- f.Error() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("waiting for Raft: %w", context.Cause(ctx))
	}
}

// apply proposes one entry and waits until it is applied here.
func (g *group) apply(ctx context.Context, entry []byte) (any, error) {
	f := g.raft.Apply(entry, time.Second)
	if err := wait(ctx, f); err != nil {
		return nil, fmt.Errorf("group %s: %w", g.name, err)
	}
	return f.Response(), nil
}

// close stops Raft and closes the stores. Call it when run has returned.
func (g *group) close() error {
	g.raft.DeregisterObserver(g.observer)
	g.stop()
	err := g.raft.Shutdown().Error()
	g.leading.cancel()
	return errors.Join(err, g.closeStores())
}

func (g *group) closeStores() error {
	var errs []error
	for _, c := range []io.Closer{closerOrNil(g.streams), closerOrNil(g.store)} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// closerOrNil keeps a nil pointer from becoming a non-nil interface.
func closerOrNil[T any, P interface {
	*T
	io.Closer
}](p P,
) io.Closer {
	if p == nil {
		return nil
	}
	return p
}
