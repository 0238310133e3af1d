package cluster

import (
	"maps"
	"slices"
	"strings"
)

// State is the cluster's document. It is immutable.
type State struct {
	Revision uint64          `json:"revision"`
	Birth    *Birth          `json:"birth,omitempty"` // nil until the cluster is born
	Settings Settings        `json:"settings"`
	Nodes    map[string]Node `json:"nodes"`
}

// Birth is what is fixed for the life of a cluster.
type Birth struct {
	Incarnation   string `json:"incarnation"` // 32 hexadecimal digits
	HashKey       []byte `json:"hashKey"`     // 16 bytes
	Shards        int    `json:"shards"`
	BucketSeconds int64  `json:"bucketSeconds"`
	At            int64  `json:"at"` // Unix seconds
	// Founders are the first nodes, sorted by ID. Founder i%len begins shard i's
	// group with all founders as voters: that data directory, once, and no later one
	// under the same ID.
	Founders []Founder `json:"founders"`
}

// Founder is one of the first nodes, as it was at birth.
type Founder struct {
	ID       string `json:"id"`
	Instance string `json:"instance"`
	Peer     string `json:"peer"`
}

// Settings are the limits and schedules that all nodes must agree on.
type Settings struct {
	SegmentsMax    uint64 `json:"segmentsMax"`    // per shard
	OutboxBytesMax uint64 `json:"outboxBytesMax"` // per shard; 0: nothing is copied to PostgreSQL
	HistoryPoints  uint64 `json:"historyPoints"`

	OutboxWindowBytesMax uint64 `json:"outboxWindowBytesMax"`          // per shard, of what PostgreSQL has
	OutboxWindowSeconds  uint64 `json:"outboxWindowSeconds,omitempty"` // the same by age; 0: however old

	TickSchedule string `json:"tickSchedule"`
	TickTimeZone string `json:"tickTimeZone"`
}

// NodeState is where a node is in its life.
type NodeState string

// The states of a node. See the package documentation.
const (
	Joining NodeState = "joining"
	Member  NodeState = "member"
	Leaving NodeState = "leaving"
)

// Node is one node as the cluster knows it.
type Node struct {
	ID       string    `json:"id"`
	Instance string    `json:"instance"` // of its data directory, 32 hexadecimal digits
	HTTP     string    `json:"http"`
	Peer     string    `json:"peer"`
	Gossip   string    `json:"gossip"`
	State    NodeState `json:"state"`
}

// NodeIDs lists the nodes, sorted.
func (s *State) NodeIDs() []string { return slices.Sorted(maps.Keys(s.Nodes)) }

// AtPeer finds the node with this peer address.
func (s *State) AtPeer(address string) (Node, bool) {
	for _, n := range s.Nodes {
		if n.Peer == address {
			return n, true
		}
	}
	return Node{}, false
}

// Holders lists the nodes that hold a shard, the preferred leader first.
func (s *State) Holders(shard int) []string {
	if s.Birth == nil {
		return nil
	}
	return Place(s.Nodes, s.Birth.Shards)[shard]
}

// Place computes the placement: for each shard the nodes that hold it, the
// preferred leader first. Every node that is not leaving holds every shard, and
// leaders are dealt in turn. It is a pure function of its arguments.
func Place(nodes map[string]Node, shards int) [][]string {
	var holders []string
	for id, n := range nodes {
		if n.State != Leaving {
			holders = append(holders, id)
		}
	}
	slices.SortFunc(holders, strings.Compare)
	placement := make([][]string, shards)
	for shard := range placement {
		if len(holders) == 0 {
			continue
		}
		first := shard % len(holders)
		placement[shard] = append(slices.Clone(holders[first:]), holders[:first]...)
	}
	return placement
}

func (s *State) clone() *State {
	c := *s
	c.Nodes = maps.Clone(s.Nodes)
	return &c
}
