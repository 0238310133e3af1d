package systemtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// The bounds of one request of a test. An attempt outlasts an election (up to 3 s
// with the default timeouts), but not a node that is stopped for longer.
const (
	attemptTimeout = 4 * time.Second
	replyBytesMax  = 64 << 20
)

// httpClient is shared by all tests; every request has its own deadline.
var httpClient = &http.Client{Transport: &http.Transport{
	DialContext:         (&net.Dialer{Timeout: time.Second}).DialContext,
	MaxIdleConnsPerHost: 64,
	IdleConnTimeout:     5 * time.Second,
}}

// request is one HTTP request to a node; url is complete.
type request struct {
	method, url, contentType string
	header                   map[string]string
	body                     []byte
}

// reply is a complete answer of a node.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) String() string {
	return fmt.Sprintf("%d %s", r.status, bytes.TrimSpace(r.body[:min(len(r.body), 500)]))
}

// send makes one attempt.
func send(ctx context.Context, r request) (reply, error) {
	return sendWithin(ctx, attemptTimeout, r)
}

func sendWithin(ctx context.Context, limit time.Duration, r request) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, scaled(limit))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return reply{}, fmt.Errorf("building the request: %w", err)
	}
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	response, err := httpClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, replyBytesMax))
	if err != nil {
		return reply{}, fmt.Errorf("reading the reply: %w", err)
	}
	return reply{status: response.StatusCode, header: response.Header, body: body}, nil
}

// neverSent tells an error before the first byte left from one after it.
func neverSent(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial"
}

// get decodes a 200 reply into value.
func get(ctx context.Context, url string, value any) error {
	got, err := send(ctx, request{method: http.MethodGet, url: url})
	if err != nil {
		return err
	}
	if got.status != http.StatusOK {
		return fmt.Errorf("GET %s: %v", url, got)
	}
	if err := json.Unmarshal(got.body, value); err != nil {
		return fmt.Errorf("GET %s: %w in %s", url, err, got)
	}
	return nil
}

// clusterView is GET /cluster as one node answers it.
type clusterView struct {
	AnsweredBy string `json:"answeredBy"`
	Cluster    struct {
		Leader string `json:"leader"`
		Shards int    `json:"shards"`
	} `json:"cluster"`
	Nodes []struct {
		ID    string `json:"id"`
		Peer  string `json:"peer"`
		State string `json:"state"`
		Alive bool   `json:"alive"`
	} `json:"nodes"`
	Shards []shardView `json:"shards"`
}

type shardView struct {
	Shard       int             `json:"shard"`
	Leader      string          `json:"leader"`
	OutboxRows  int64           `json:"outboxRows"`
	OutboxBytes int64           `json:"outboxBytes"`
	Watermark   json.RawMessage `json:"watermark"`
	Replicas    []replicaView   `json:"replicas"` // of the answering node
}

// replicaView is one shard's copy; index and digest were taken together.
type replicaView struct {
	Node        string `json:"node"`
	Role        string `json:"role"`
	Index       uint64 `json:"index"`
	Digest      string `json:"digest"`
	Memberships int64  `json:"memberships"`
}

// own returns the answering node's replica of the i-th shard listed.
func (v clusterView) own(i int) (replicaView, bool) {
	for _, replica := range v.Shards[i].Replicas {
		if replica.Node == v.AnsweredBy {
			return replica, true
		}
	}
	return replicaView{}, false
}

func (v clusterView) lists(id string) bool {
	for _, node := range v.Nodes {
		if node.ID == id {
			return true
		}
	}
	return false
}

func getCluster(ctx context.Context, base string) (clusterView, error) {
	var view clusterView
	err := get(ctx, base+"/cluster", &view)
	return view, err
}

// segmentCount is one element of GET /segments/count.
type segmentCount struct {
	Title      string `json:"title"`
	UsersCount int64  `json:"usersCount"`
}

func getCounts(ctx context.Context, base string) ([]segmentCount, error) {
	var counts []segmentCount
	err := get(ctx, base+"/segments/count", &counts)
	return counts, err
}

func getCount(ctx context.Context, base, segment string) (int64, error) {
	var count segmentCount
	err := get(ctx, base+"/segments/"+url.PathEscape(segment)+"/count", &count)
	return count.UsersCount, err
}

func userURL(base, id string) string { return base + "/users/" + url.PathEscape(id) }

func membershipURL(base, id, segment string) string {
	return userURL(base, id) + "/segments/" + url.PathEscape(segment)
}

// getMemberships returns a user's memberships as segment to expiry.
func getMemberships(ctx context.Context, base, id string) (map[string]int64, error) {
	var user struct {
		ID       string `json:"ID"`
		Segments []struct {
			Title  string `json:"title"`
			Expiry int64  `json:"expiredSegment"`
		} `json:"segments"`
	}
	if err := get(ctx, userURL(base, id), &user); err != nil {
		return nil, err
	}
	if user.ID != id {
		return nil, fmt.Errorf("GET /users/%s answers for %q", id, user.ID)
	}
	held := map[string]int64{}
	for _, m := range user.Segments {
		held[m.Title] = m.Expiry
	}
	return held, nil
}
