package tools_test

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"headcount/client"
	"headcount/client/clienttest"
	"headcount/tools"
)

func status(t *testing.T, server *clienttest.Server) string {
	t.Helper()
	var out bytes.Buffer
	if err := tools.Status(t.Context(), server.URL, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestStatusIsAPageOfTables(t *testing.T) {
	const want = `cluster headcount (incarnation 5f0c): 2 shards, buckets of 1m0s, led by n1; answered by n1

NODE  STATE    ALIVE  HTTP            PEER            GOSSIP          CLOCK
n1    member   yes    127.0.0.1:8000  127.0.0.1:8010  127.0.0.1:8020  +0 ms
n2    joining  NO     127.0.0.1:8001  127.0.0.1:8011  127.0.0.1:8021  -12 ms

SHARD  LEADER  TERM  INDEX  MEMBERSHIPS  SEGMENTS  REPLICAS (LAG)            DIGESTS  DRAINED TO            OUTBOX ROWS
0      n1      3     123    1000         3         n1 (0) n2 (12, nonvoter)  -        2022-06-14 12:23:00Z  7
1      n2      4     90     500          2         n2 (0) n1 (1)             -        2022-06-14 12:23:00Z  9

drain: schedule "0 0 * * *" in UTC, last 2022-06-14 00:00:00Z, next 2022-06-15 00:00:00Z
postgres: reachable, 12345 rows flushed, 0 quarantined; outbox 16 rows, 6144 bytes, oldest 2.5 s
`
	if got := status(t, clienttest.New(t)); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestStatusShowsWhatIsWrong(t *testing.T) {
	server := clienttest.New(t)
	sick := client.ClusterStatus{
		Shards: []client.ShardStatus{{Replicas: []client.ReplicaStatus{
			{Node: "n1", Role: "follower", Index: 5, Digest: "aa"},
			{Node: "n2", Role: "follower", Index: 5, Digest: "bb"},
		}}},
		Postgres: client.PostgresStatus{Configured: true, LastError: "connection refused"},
	}
	server.SetCluster(sick)
	page := status(t, server)
	for _, sign := range []string{"led by NOBODY", "DIFFER", "postgres: NOT reachable", "last error: connection refused", "never"} {
		if !strings.Contains(page, sign) {
			t.Errorf("%q is missing in:\n%s", sign, page)
		}
	}

	sick.Shards[0].Replicas[1].Digest = "aa"
	sick.Postgres.Configured = false
	server.SetCluster(sick)
	page = status(t, server)
	for _, sign := range []string{"agree", "postgres: not configured"} {
		if !strings.Contains(page, sign) {
			t.Errorf("%q is missing in:\n%s", sign, page)
		}
	}
}

// nobody returns the URL of a port on which nobody listens any more.
func nobody(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return "http://" + listener.Addr().String()
}

func TestNothingAnswers(t *testing.T) {
	url := nobody(t) + "," + nobody(t)
	err := tools.Status(t.Context(), url, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q: want the reason in one line", err)
	}
}

func TestStatusEndsInTime(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, and that is all
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := tools.Status(ctx, "http://"+silent.Addr().String(), &bytes.Buffer{}); err == nil {
		t.Error("a node that says nothing has a status")
	}
}
