package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"headcount/cluster"
	"headcount/fsm"
	"headcount/transport"
)

// replica is one shard's copy on this node.
type replica struct {
	shard   uint32
	self    string
	group   *group
	machine *fsm.Machine
	lane    *lane
	propose *proposer

	clock    *clock
	peers    *peers
	cluster  *cluster.Machine
	schedule func() Schedule
	copyOut  Copier
	logger   *slog.Logger

	// settled is the term in which this node leads and its machine has everything
	// that was committed in earlier terms: only in it may the node answer for the
	// shard. 0: none.
	settled atomic.Uint64
	// caughtUp is set once this replica had applied what the leader had when it
	// first reported.
	caughtUp atomic.Bool
}

// attempt delivers a batch of this node's lane to the leader once.
func (r *replica) attempt(ctx context.Context, leader string, b fsm.Batch) (delivery, error) {
	if leader == r.self {
		return r.propose.submit(ctx, b)
	}
	payload := appendForward(make([]byte, 0, len(b.Records)+128), r.shard, b)
	reply, err := r.peers.call(ctx, leader, kindForward, payload)
	var remote *transport.RemoteError
	switch {
	case errors.Is(err, transport.ErrNotSent), errors.As(err, &remote):
		// A handler fails before it submits: what it submitted it reports in words
		// of its own.
		return delivery{}, notProposed("node %s: %w", leader, err)
	case err != nil:
		return delivery{}, fmt.Errorf("node %s: %w", leader, err)
	}
	return parseOutcome(reply, b.Count)
}

// run takes part in the shard until ctx ends.
func (r *replica) run(ctx context.Context) {
	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() { r.lane.run(ctx) })
	r.group.run(ctx, r.lead)
}

// A disk that takes no outbox is tried again so often, and the log says so once a minute.
const (
	spoolRetry          = time.Second
	spoolFailuresLogged = 60
)

// spoolOutbox moves the outbox to disk as memory runs out for it, until ctx ends. A disk that takes
// nothing is tried again; meanwhile memory keeps everything, and this replica, should it
// lead, takes no more writes once that is far too much.
func (r *replica) spoolOutbox(ctx context.Context) {
	for {
		select {
		case <-r.machine.OutboxCrowded():
		case <-ctx.Done():
			return
		}
		for failures := 0; ctx.Err() == nil; failures++ {
			err := r.machine.SpoolOutbox()
			if err == nil && failures > 0 {
				r.logger.Info("the disk takes the outbox again", "failures", failures)
			}
			if err == nil {
				break
			}
			if failures%spoolFailuresLogged == 0 {
				r.logger.Error("memory keeps more of the outbox than it should", "err", err, "failures", failures+1)
			}
			pause(ctx, spoolRetry)
		}
	}
}

// lead does what only the shard's leader does, until ctx ends.
func (r *replica) lead(ctx context.Context) {
	term := r.group.raft.CurrentTerm()
	if !r.group.settle(ctx) || !r.firstSettings(ctx) {
		return
	}
	begin := r.machine.Index() // before anything is proposed
	r.logger.Info("leads", "term", term)
	var parts sync.WaitGroup
	defer parts.Wait()
	r.settled.Store(term)
	parts.Go(func() { r.propose.run(ctx) })
	parts.Go(func() { r.keepSettings(ctx) })
	parts.Go(func() { r.tick(ctx) })
	parts.Go(func() { r.keepServers(ctx) })
	if r.copyOut == nil && r.machine.Stats().Settings.OutboxBytesMax > 0 {
		r.logger.Error("this node has no PostgreSQL (postgres.url, HEADCOUNT_POSTGRES_URL), but the cluster copies to one: users of this shard wait in the outbox while this node leads it")
	}
	if r.copyOut != nil {
		parts.Go(func() { r.copyOut(ctx, r.cluster.State().Birth.Incarnation, r.shard, &Outbox{r, begin}) })
	}
	<-ctx.Done()
	r.settled.Store(0) // at once: the parts may take a moment to end
}

// firstSettings waits until the shard has its first settings: a machine without any
// takes no segment and copies nothing.
func (r *replica) firstSettings(ctx context.Context) bool {
	for ctx.Err() == nil {
		if r.machine.Stats().Settings.Revision > 0 {
			return true
		}
		r.bringSettings(ctx)
	}
	return false
}

// bringSettings brings the cluster's settings into the shard's log if they differ
// from what its machine has. It reports whether that is done.
func (r *replica) bringSettings(ctx context.Context) bool {
	state := r.cluster.State()
	want := fsm.Settings{
		Revision:       state.Revision,
		SegmentsMax:    state.Settings.SegmentsMax,
		OutboxBytesMax: state.Settings.OutboxBytesMax,
		HistoryPoints:  state.Settings.HistoryPoints,

		OutboxWindowBytesMax: state.Settings.OutboxWindowBytesMax,
		OutboxWindowSeconds:  state.Settings.OutboxWindowSeconds,
	}
	have := r.machine.Stats().Settings
	same := have
	same.Revision = want.Revision
	if want.Revision <= have.Revision || want == same {
		return true
	}
	if _, err := r.group.apply(ctx, fsm.AppendSettings(nil, want)); err != nil {
		r.logger.Warn("settings not replicated yet", "err", err)
		pause(ctx, 100*time.Millisecond)
		return false
	}
	r.logger.Info("settings replicated", "settings", want)
	return true
}

// keepSettings brings the cluster's settings into the shard's log whenever they
// change.
func (r *replica) keepSettings(ctx context.Context) {
	for ctx.Err() == nil {
		changed := r.cluster.Changed()
		if !r.bringSettings(ctx) {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// keepServers brings the group's configuration to the cluster's placement, and the
// leadership to the node that should have it.
func (r *replica) keepServers(ctx context.Context) {
	every(ctx, reconcileEvery, func() {
		holders := r.cluster.State().Holders(int(r.shard))
		if len(holders) == 0 {
			return
		}
		reconcile(ctx, reconciliation{
			group: r.group, self: r.self, want: holders, preferred: holders[0], peers: r.peers, logger: r.logger,
		})
	})
}

// voters lists the IDs of the group's servers that vote.
func (r *replica) voters() []string { return r.group.voters() }

// stamp returns the clock for an entry: 0 when a majority disagrees with it.
func (r *replica) stamp() int64 {
	if !r.clock.trusted(r.self, r.voters()) {
		return 0
	}
	return r.clock.now()
}

// readIndex returns an index such that a machine that has applied it shows every
// write acknowledged before the call. It fails unless this node leads.
func (r *replica) readIndex(ctx context.Context) (uint64, error) {
	term := r.settled.Load()
	if term == 0 || term != r.group.raft.CurrentTerm() {
		return 0, errors.New("this node does not lead")
	}
	// What was acknowledged so far, by us, is applied here. VerifyLeader then
	// shows that nobody else could have acknowledged anything meanwhile.
	index := r.machine.Index()
	if err := wait(ctx, r.group.raft.VerifyLeader()); err != nil {
		return 0, fmt.Errorf("not sure to lead: %w", err)
	}
	if term != r.group.raft.CurrentTerm() {
		return 0, errors.New("this node has led only just now, in another term")
	}
	return index, nil
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// every calls f at once and then at every interval until ctx ends.
func every(ctx context.Context, interval time.Duration, f func()) {
	for ctx.Err() == nil {
		f()
		pause(ctx, interval)
	}
}
