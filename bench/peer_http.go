package main

import (
	"context"
	"path/filepath"
	"time"

	"headcount/bench/local"
	"headcount/pglocal"
)

// nothingMissing is for what this module brings itself.
func nothingMissing() string { return "" }

// headcountPeer is three nodes, each a process.
func headcountPeer(name, postgres string) peer {
	return peer{
		name: name, durability: "synced by two of three", copies: 3,
		missing: func() string {
			if _, ok := pglocal.Find(); postgres == "auto" && !ok {
				return "PostgreSQL (package postgresql)"
			}
			return ""
		},
		start: func(ctx context.Context, o compareOptions, dir string) (*site, error) {
			o.nodes.Dir, o.nodes.Postgres = dir, postgres
			cluster, err := local.Start(ctx, o.nodes)
			if err != nil {
				return nil, err
			}
			return &site{pids: []int{cluster.Pid()}, open: openHTTP(cluster.Addresses()), stop: cluster.Stop}, nil
		},
	}
}

// emptyPeer is the handler that does nothing, or nothing but to sync what it got.
func emptyPeer(name, durability string, sync bool) peer {
	return peer{
		name: name, durability: durability, copies: 0, missing: nothingMissing,
		start: func(ctx context.Context, _ compareOptions, dir string) (*site, error) {
			handlers, file := local.Nodes, ""
			if sync {
				handlers, file = 1, filepath.Join(dir, "synced")
			}
			b, err := startBaseline(ctx, handlers, emptyOptions{syncFile: file})
			if err != nil {
				return nil, err
			}
			return &site{pids: b.pids(), open: openHTTP(b.addresses()), stop: b.stop}, nil
		},
	}
}

// openHTTP opens connections to the addresses in turn.
func openHTTP(addresses []string) func(context.Context, int, options) (sender, error) {
	return func(ctx context.Context, number int, o options) (sender, error) {
		address := addresses[number%len(addresses)]
		s := &httpSender{connection: newConnection(address), payload: newPayload(address, o)}
		deadline, _ := ctx.Deadline()
		if err := s.connection.setDeadline(deadline); err != nil {
			return nil, err
		}
		return s, s.connection.open()
	}
}

// httpSender posts to a node, or to an empty handler.
type httpSender struct {
	connection connection
	payload    *payload
}

func (s *httpSender) send(d *draw, now time.Time, t *tally) {
	s.payload.fill(d, now)
	if err := s.connection.exchange(s.payload.bytes); err != nil {
		t.failed(err)
		return
	}
	t.replied(&s.connection.reply, time.Since(now), s.payload.records)
}

func (s *httpSender) close() { s.connection.close() }
