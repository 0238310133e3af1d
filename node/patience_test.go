package node

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"headcount/transport"
)

// testStreams is a Raft transport of its own, over a real port.
func testStreams(t *testing.T, address string) *raft.NetworkTransport {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	port := transport.New(transport.Config{
		Cluster: "test", Listener: ln, Logger: slog.New(slog.DiscardHandler),
		InstanceAt:        func(string) transport.Instance { return transport.Instance{} },
		AcceptUnaddressed: func() bool { return true },
	})
	layer, err := port.Group(1)
	if err != nil {
		t.Fatal(err)
	}
	port.Serve()
	streams := raft.NewNetworkTransport(layer, 1, time.Second, nil)
	t.Cleanup(func() { _ = streams.Close(); _ = port.Close() })
	return streams
}

func TestReplicationWaitsForFollowerThatIsDown(t *testing.T) {
	stopped, stop := context.WithCancel(t.Context())
	defer stop()
	leader := patientTransport{testStreams(t, "127.0.0.1:0"), stopped}
	away := freePort(t)
	var resp raft.AppendEntriesResponse
	if err := leader.AppendEntries("n2", raft.ServerAddress(away), &raft.AppendEntriesRequest{Term: 3}, &resp); err == nil {
		t.Error("a heartbeat reached nobody, and did not fail")
	}

	replicated := make(chan error, 1)
	replicate := func() {
		var resp raft.AppendEntriesResponse
		entries := []*raft.Log{{Index: 1, Term: 3, Data: []byte("x")}}
		replicated <- leader.AppendEntries("n2", raft.ServerAddress(away), &raft.AppendEntriesRequest{Term: 3, Entries: entries}, &resp)
	}
	go replicate()
	select {
	case err := <-replicated:
		t.Fatalf("given up while the follower is down: %v", err)
	case <-time.After(3 * replicateRetry):
	}
	follower := testStreams(t, away)
	rpc := <-follower.Consumer()
	if got := rpc.Command.(*raft.AppendEntriesRequest); len(got.Entries) != 1 || string(got.Entries[0].Data) != "x" {
		t.Errorf("the follower got %+v", got)
	}
	rpc.Respond(&raft.AppendEntriesResponse{Term: 3, Success: true}, nil)
	if err := <-replicated; err != nil {
		t.Errorf("the follower is back: %v", err)
	}

	away = freePort(t)
	go replicate()
	stop()
	if err := <-replicated; err == nil {
		t.Error("replicated to nobody")
	}
}
