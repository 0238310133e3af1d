package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// ClusterStatus is the cluster as one node sees it. Fields that a newer node adds
// are ignored.
type ClusterStatus struct {
	Cluster    ClusterSettings `json:"cluster"`
	AnsweredBy string          `json:"answeredBy"` // node ID
	Nodes      []NodeStatus    `json:"nodes"`
	Shards     []ShardStatus   `json:"shards"`
	Tick       TickStatus      `json:"tick"`
	Postgres   PostgresStatus  `json:"postgres"`
}

// ClusterSettings is what was fixed when the cluster was born, and who leads it.
type ClusterSettings struct {
	Name               string `json:"name"`
	Incarnation        string `json:"incarnation"`
	Shards             int    `json:"shards"`
	BucketWidthSeconds int64  `json:"bucketWidthSeconds"`
	Leader             string `json:"leader"` // node ID; "" while there is none
}

// NodeStatus is one node. Its three addresses are host:port.
type NodeStatus struct {
	ID            string  `json:"id"`
	HTTP          string  `json:"http"`
	Peer          string  `json:"peer"`
	Gossip        string  `json:"gossip"`
	State         string  `json:"state"` // member, joining or leaving
	Alive         bool    `json:"alive"` // as far as gossip knows
	ClockOffsetMs float64 `json:"clockOffsetMs"`
}

// ShardStatus is one shard. Its index and outbox are those of its leader.
type ShardStatus struct {
	Shard               int             `json:"shard"`
	Leader              string          `json:"leader"` // node ID; "" while there is none
	Term                uint64          `json:"term"`
	OutboxRows          int64           `json:"outboxRows"`
	OutboxBytes         int64           `json:"outboxBytes"`
	OutboxOldestSeconds float64         `json:"outboxOldestSeconds"` // age of the oldest row
	PostgresIndex       uint64          `json:"postgresIndex"`       // the cursor
	Watermark           UnixSeconds     `json:"watermark"`           // what expired by then is drained
	LastTick            UnixSeconds     `json:"lastTick"`
	Replicas            []ReplicaStatus `json:"replicas"`
}

// ReplicaStatus is one shard's copy. Replicas at the same index have the same digest.
type ReplicaStatus struct {
	Node        string `json:"node"`
	Role        string `json:"role"` // leader, follower or nonvoter
	Index       uint64 `json:"index"`
	Lag         uint64 `json:"lag"` // entries behind the leader
	Digest      string `json:"digest"`
	Memberships int64  `json:"memberships"`
	Segments    int64  `json:"segments"`
}

// TickStatus is the schedule of the drain.
type TickStatus struct {
	Schedule string      `json:"schedule"` // five cron fields
	TimeZone string      `json:"timeZone"`
	Last     UnixSeconds `json:"last"`
	Next     UnixSeconds `json:"next"`
}

// PostgresStatus is how the copying to PostgreSQL fares.
type PostgresStatus struct {
	Configured  bool   `json:"configured"`
	Reachable   bool   `json:"reachable"`
	LastError   string `json:"lastError"`
	RowsFlushed int64  `json:"rowsFlushed"`
	Quarantined int64  `json:"quarantined"` // rows PostgreSQL refused
}

// Cluster returns the cluster's status.
func (c *Client) Cluster(ctx context.Context) (ClusterStatus, error) {
	var status ClusterStatus
	r := request{doing: "read the cluster's status", method: http.MethodGet, path: "/cluster"}
	_, err := c.do(ctx, r, &status)
	return status, err
}

// Join adds the node to the cluster. The address is its peer address, host:port.
func (c *Client) Join(ctx context.Context, id, address string) error {
	return c.change(ctx, fmt.Sprintf("join node %q", id), "/cluster/join", map[string]string{"id": id, "address": address})
}

// Leave removes the node from the cluster, once its shards are elsewhere.
func (c *Client) Leave(ctx context.Context, id string) error {
	return c.change(ctx, fmt.Sprintf("remove node %q", id), "/cluster/leave", map[string]string{"id": id})
}

func (c *Client) change(ctx context.Context, doing, path string, document map[string]string) error {
	body, err := json.Marshal(document)
	if err != nil {
		return notSent(doing, err)
	}
	_, err = c.do(ctx, request{
		doing: doing, method: http.MethodPost, path: path, contentType: "application/json", body: body,
	}, nil)
	return err
}

// Ready returns nil when one of the nodes is able to serve, else why each is not.
// It asks one round only, whatever the options say.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.rounds(ctx, request{doing: "ask whether a node is ready", method: http.MethodGet, path: "/readyz"}, nil, 0)
	return err
}
