package node

import (
	"context"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// replicatePatience bounds how long one AppendEntries is tried. A removed node, or
	// a leadership that is over, keeps a goroutine for that long.
	replicatePatience = time.Minute
	replicateRetry    = 100 * time.Millisecond
)

// patientTransport keeps Raft from backing off from a follower that is down.
//
// A leader waits after each AppendEntries that failed, twice as long each time, up
// to ten seconds, and nothing wakes it when the follower is back (raft v1.8.0,
// replicateTo: only heartbeats have a capped wait). So a node that was away for
// half a minute would stay behind for ten seconds after its return, and until then
// no other could go. Here an AppendEntries that fails is tried again, ten times a
// second, before Raft hears of it. It is the same request: Raft's followers take
// it twice like once.
//
// Heartbeats fail at once: by them Raft knows whom it has lost.
type patientTransport struct {
	*raft.NetworkTransport
	stopped context.Context // ends before Raft is shut down
}

// AppendEntries implements [raft.Transport].
func (p patientTransport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	until := time.Now().Add(replicatePatience)
	for {
		err := p.NetworkTransport.AppendEntries(id, target, args, resp)
		if err == nil || isHeartbeat(args) || p.stopped.Err() != nil || time.Now().After(until) {
			return err
		}
		pause(p.stopped, replicateRetry)
		*resp = raft.AppendEntriesResponse{} // what came of it before it failed
	}
}

// isHeartbeat tells heartbeats from replication as Raft's own receiver does.
func isHeartbeat(a *raft.AppendEntriesRequest) bool {
	return a.PrevLogEntry == 0 && a.PrevLogTerm == 0 && len(a.Entries) == 0 && a.LeaderCommitIndex == 0
}
