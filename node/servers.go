package node

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

const (
	reconcileEvery = 500 * time.Millisecond
	changeTimeout  = 5 * time.Second // for one change of a configuration
	// caughtUpEntries is how far a nonvoter may lag when it becomes a voter: the
	// entries it lacks then delay a commit that needs it by no more than a moment.
	caughtUpEntries = 64
	// preferenceAfter is how long a term lasts before the leadership is handed to
	// the preferred leader: leaderships should not move while a cluster settles.
	preferenceAfter = 5 * time.Second
)

// reconciliation is one group's configuration against what the cluster wants.
type reconciliation struct {
	group     *group
	self      string
	want      []string // the nodes that shall vote
	preferred string   // who shall lead, "" for no matter
	peers     *peers
	logger    *slog.Logger
}

// reconcile makes at most one change towards what is wanted. The group's leader
// calls it again and again. Nodes are added as nonvoters and vote once they have
// caught up; nodes that shall go are removed, the leader only after its leadership
// has moved.
func reconcile(ctx context.Context, r reconciliation) {
	servers := r.group.servers()
	for _, id := range r.want {
		if s, ok := server(servers, id); !ok || s.Suffrage != raft.Voter {
			if r.admit(ctx, id, ok) {
				return
			}
		}
	}
	if !slices.Contains(r.want, r.self) {
		r.transfer(ctx, r.successor(servers))
		return
	}
	for _, s := range servers {
		if !slices.Contains(r.want, string(s.ID)) {
			if !r.canLose(servers, s.ID) {
				return // until the others are back
			}
			r.change(ctx, "removed", string(s.ID), r.group.raft.RemoveServer(s.ID, 0, changeTimeout))
			return
		}
	}
	r.prefer(ctx, servers)
}

// admit adds a node as a nonvoter, or lets it vote if it has caught up. It reports
// whether it changed anything.
func (r reconciliation) admit(ctx context.Context, id string, present bool) bool {
	address, err := r.peers.address(id)
	if err != nil {
		return false
	}
	switch {
	case !present:
		r.change(ctx, "added as nonvoter", id, r.group.raft.AddNonvoter(raft.ServerID(id), raft.ServerAddress(address), 0, changeTimeout))
	case r.caughtUp(id):
		r.change(ctx, "made voter", id, r.group.raft.AddVoter(raft.ServerID(id), raft.ServerAddress(address), 0, changeTimeout))
	default:
		return false
	}
	return true
}

// caughtUp reports whether a node's replica, by its own last report, had nearly all
// that was committed when the report came.
func (r reconciliation) caughtUp(id string) bool {
	lag, ok := r.peers.lag(id, r.group.name)
	return ok && lag <= caughtUpEntries
}

// canLose reports whether the group would still have a majority without a server: of
// the voters that stay, so many are caught up that they can commit.
func (r reconciliation) canLose(servers []raft.Server, id raft.ServerID) bool {
	stay, fit := 0, 0
	for _, s := range servers {
		if s.ID == id || s.Suffrage != raft.Voter {
			continue
		}
		stay++
		if string(s.ID) == r.self || r.caughtUp(string(s.ID)) {
			fit++
		}
	}
	return fit >= stay/2+1
}

func (r reconciliation) change(ctx context.Context, what, id string, f raft.Future) {
	if err := wait(ctx, f); err != nil {
		r.logger.Warn("server not "+what+" yet", "node", id, "err", err)
		return
	}
	r.logger.Info("server "+what, "node", id)
}

// successor picks a voter to lead in this node's place.
func (r reconciliation) successor(servers []raft.Server) string {
	for _, id := range r.want {
		if s, ok := server(servers, id); ok && s.Suffrage == raft.Voter && r.peers.alive(id) && r.caughtUp(id) {
			return id
		}
	}
	return ""
}

// prefer hands the leadership to the preferred leader, if that node is fit for it.
func (r reconciliation) prefer(ctx context.Context, servers []raft.Server) {
	if r.preferred == "" || r.preferred == r.self || r.group.ledFor() < preferenceAfter {
		return
	}
	if s, ok := server(servers, r.preferred); ok && s.Suffrage == raft.Voter && r.caughtUp(r.preferred) {
		r.transfer(ctx, r.preferred)
	}
}

func (r reconciliation) transfer(ctx context.Context, id string) {
	if id == "" {
		return
	}
	address, err := r.peers.address(id)
	if err != nil {
		return
	}
	if err := wait(ctx, r.group.raft.LeadershipTransferToServer(raft.ServerID(id), raft.ServerAddress(address))); err != nil {
		r.logger.Warn("leadership not transferred", "to", id, "err", err)
		return
	}
	r.logger.Info("leadership transferred", "to", id)
}

func server(servers []raft.Server, id string) (raft.Server, bool) {
	i := slices.IndexFunc(servers, func(s raft.Server) bool { return string(s.ID) == id })
	if i < 0 {
		return raft.Server{}, false
	}
	return servers[i], true
}

// voters lists the IDs of the servers that vote.
func (g *group) voters() []string {
	var ids []string
	for _, s := range g.servers() {
		if s.Suffrage == raft.Voter {
			ids = append(ids, string(s.ID))
		}
	}
	return ids
}
