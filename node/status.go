package node

import (
	"fmt"
	"time"

	"headcount/cluster"
)

// Status is what GET /cluster shows. Times are Unix seconds. What it says of other
// nodes is as old as their last report, reportEvery as a rule; what it says of the
// answering node's own replicas is exact, index and digest taken together.
type Status struct {
	Cluster    ClusterStatus `json:"cluster"`
	AnsweredBy string        `json:"answeredBy"`
	Nodes      []NodeStatus  `json:"nodes"`
	Shards     []ShardStatus `json:"shards"`
	Tick       TickStatus    `json:"tick"`
	Postgres   any           `json:"postgres,omitempty"` // filled in by who knows
}

// ClusterStatus is the cluster as a whole.
type ClusterStatus struct {
	Name               string `json:"name"`
	Incarnation        string `json:"incarnation"`
	Shards             int    `json:"shards"`
	BucketWidthSeconds int64  `json:"bucketWidthSeconds"`
	Leader             string `json:"leader"`   // of the cluster group
	Diverged           int64  `json:"diverged"` // times that a replica's digest differed
}

// NodeStatus is one node.
type NodeStatus struct {
	ID            string            `json:"id"`
	HTTP          string            `json:"http"`
	Peer          string            `json:"peer"`
	Gossip        string            `json:"gossip"`
	State         cluster.NodeState `json:"state"`
	Alive         bool              `json:"alive"`   // it reported lately
	Gossips       bool              `json:"gossips"` // gossip believes it alive
	ClockOffsetMs int64             `json:"clockOffsetMs"`
}

// ShardStatus is one shard.
type ShardStatus struct {
	Shard  int    `json:"shard"`
	Leader string `json:"leader"`
	Term   uint64 `json:"term"`
	Copied
	Watermark int64     `json:"watermark"`
	LastTick  int64     `json:"lastTick"`
	Replicas  []Replica `json:"replicas"`
}

// Copied is how far PostgreSQL has a shard, as its leader knows.
type Copied struct {
	OutboxRows          int64  `json:"outboxRows"`
	OutboxBytes         int64  `json:"outboxBytes"`
	OutboxOldestSeconds int64  `json:"outboxOldestSeconds"`
	PostgresIndex       uint64 `json:"postgresIndex"`
}

// Replica is one shard's copy on one node.
type Replica struct {
	Node        string `json:"node"`
	Role        string `json:"role"`
	Index       uint64 `json:"index"`
	Lag         uint64 `json:"lag"` // entries behind the furthest replica
	Digest      string `json:"digest"`
	Memberships int64  `json:"memberships"`
	Segments    int    `json:"segments"`
	Watermark   int64  `json:"watermark"`
}

// TickStatus is the schedule.
type TickStatus struct {
	Schedule string `json:"schedule"`
	TimeZone string `json:"timeZone"`
	Last     int64  `json:"last"` // of the shard that is furthest behind
	Next     int64  `json:"next"`
}

// look takes this replica's status, all at one index.
func (r *replica) look(role string) (Replica, Copied, int64) {
	s := r.machine.Stats()
	look := Replica{
		Node: r.self, Role: role, Index: s.Index, Digest: fmt.Sprintf("%016x", s.Digest),
		Memberships: s.Memberships, Segments: s.Segments, Watermark: s.Watermark,
	}
	copied := Copied{OutboxRows: s.OutboxRows, OutboxBytes: s.OutboxBytes, PostgresIndex: s.OutboxAcked}
	if s.OutboxSince > 0 {
		copied.OutboxOldestSeconds = max(r.clock.now()-s.OutboxSince, 0)
	}
	return look, copied, s.LastTick
}

// Status describes the cluster as this node sees it.
func (n *Node) Status() Status {
	state := n.cluster.State()
	leader, _ := n.group.leader()
	s := Status{
		Cluster:    ClusterStatus{Name: n.options.Cluster, Leader: leader, Diverged: n.diverged.Load()},
		AnsweredBy: n.options.Self.ID,
		Nodes:      []NodeStatus{},
		Shards:     []ShardStatus{},
		Tick:       TickStatus{Schedule: state.Settings.TickSchedule, TimeZone: state.Settings.TickTimeZone},
	}
	if state.Birth == nil {
		return s
	}
	s.Cluster.Incarnation = state.Birth.Incarnation
	s.Cluster.Shards = state.Birth.Shards
	s.Cluster.BucketWidthSeconds = state.Birth.BucketSeconds
	gossiping := n.options.Gossip.Alive()
	reports := make(map[string]report)
	for _, id := range state.NodeIDs() {
		known := state.Nodes[id]
		ahead, _ := n.clock.aheadOf(id)
		_, gossips := gossiping[id]
		if r, ok := n.reportOf(id); ok {
			reports[id] = r
		}
		s.Nodes = append(s.Nodes, NodeStatus{
			ID: id, HTTP: known.HTTP, Peer: known.Peer, Gossip: known.Gossip, State: known.State,
			Alive: n.peers.alive(id), Gossips: gossips, ClockOffsetMs: ahead.Milliseconds(),
		})
	}
	for shard := range state.Birth.Shards {
		one := n.shardStatus(state, shard, reports)
		s.Shards = append(s.Shards, one)
		if shard == 0 || one.LastTick < s.Tick.Last {
			s.Tick.Last = one.LastTick
		}
	}
	if schedule := n.currentSchedule(); schedule != nil {
		s.Tick.Next = schedule.Next(time.Now()).Unix()
	}
	return s
}

func (n *Node) shardStatus(state *cluster.State, shard int, reports map[string]report) ShardStatus {
	s := ShardStatus{Shard: shard, Replicas: []Replica{}}
	name := fmt.Sprintf("shard-%d", shard)
	var furthest uint64
	for _, id := range state.NodeIDs() {
		g, ok := reports[id].Groups[name]
		if !ok || g.Replica == nil {
			continue
		}
		furthest = max(furthest, g.Replica.Index)
		s.Replicas = append(s.Replicas, *g.Replica)
		if g.Role == roleLeader && g.Term >= s.Term {
			s.Leader, s.Term, s.Watermark, s.LastTick = id, g.Term, g.Replica.Watermark, g.LastTick
			if g.Copied != nil {
				s.Copied = *g.Copied
			}
		}
	}
	for i := range s.Replicas {
		s.Replicas[i].Lag = furthest - s.Replicas[i].Index
	}
	return s
}
