package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"headcount/api"
	"headcount/cluster"
	"headcount/config"
	"headcount/node"
	"headcount/pgsink"
)

// drainTimeout bounds how long a stopping node waits for requests under way.
const drainTimeout = 5 * time.Second

func serve(ctx context.Context, args []string, _, errs io.Writer) (err error) {
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	path := f.String("config", "cluster.yml", "the cluster's configuration `file`")
	id := f.String("node", "", "which of the file's nodes to run")
	join := f.String("join", "", "peer `address` of a member: ask it to admit this node to its cluster")
	if err := parse(f, args, errs); err != nil {
		return err
	}
	c, err := config.Load(*path)
	if err != nil {
		return err
	}
	self, ok := c.Node(*id)
	if !ok {
		return wrongUsage("--node %q is not in %s: it has %s", *id, *path, strings.Join(nodeIDs(c), ", "))
	}
	stopProfile, err := startProfile(os.Getenv(profileVariable), self.ID)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopProfile()) }()
	return runNode(ctx, c, self, *join, newLogger(c.Log, errs).With("node", *id))
}

func nodeIDs(c *config.Config) (ids []string) {
	for _, n := range c.Nodes {
		ids = append(ids, n.ID)
	}
	return ids
}

func newLogger(c config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo // config has checked it
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// runNode runs one node until ctx ends.
func runNode(ctx context.Context, c *config.Config, self config.Node, join string, logger *slog.Logger) (err error) {
	web, err := net.Listen("tcp", self.HTTP)
	if err != nil {
		return fmt.Errorf("the HTTP port: %w", err)
	}
	defer web.Close() // the server closes it earlier, when there is one
	peer, err := net.Listen("tcp", self.Peer)
	if err != nil {
		return fmt.Errorf("the peer port: %w", err)
	}
	gossip, err := cluster.StartGossip(cluster.GossipConfig{
		Bind: self.Gossip, Cluster: c.Cluster.Name,
		Self: cluster.Hint{ID: self.ID, Peer: self.Peer, HTTP: self.HTTP}, Logger: logger,
	})
	if err != nil {
		return errors.Join(err, peer.Close())
	}
	defer func() { err = errors.Join(err, gossip.Close()) }()

	sink, err := openSink(c.Postgres, c.Cluster.Shards, logger)
	if err != nil {
		return errors.Join(err, peer.Close())
	}
	if sink != nil {
		defer sink.Close()
	}
	n, err := node.Open(nodeOptions(c, self, join, peer, gossip, sink, logger))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()

	server := api.New(&service{node: n, sink: sink}, api.Options{
		BodyBytesMax: c.HTTP.BodyBytesMax, BulkBodyBytesMax: c.HTTP.BulkBodyBytesMax,
		ReadTimeout: c.HTTP.ReadTimeout, WriteTimeout: c.HTTP.WriteTimeout, IdleTimeout: c.HTTP.IdleTimeout,
		ConnectionsMax: c.HTTP.ConnectionsMax, ConnectionsPerIPMax: c.HTTP.ConnectionsPerIPMax,
		DefaultLifetime: c.Write.DefaultLifetime, LifetimeMax: c.Write.LifetimeMax, Logger: logger,
	})
	logger.Info("serving", "http", self.HTTP, "peer", self.Peer, "gossip", self.Gossip, "data", self.Data, "pid", os.Getpid())
	return serveHTTP(ctx, server, web, logger)
}

// serveHTTP serves until ctx ends, then lets the requests under way finish.
func serveHTTP(ctx context.Context, server *api.Server, ln net.Listener, logger *slog.Logger) error {
	served := make(chan error, 1) // so that the server never waits for us
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("the HTTP server: %w", err)
	case <-ctx.Done():
	}
	logger.Info("stopping")
	drain, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		logger.Warn("requests were cut off", "err", err)
	}
	return <-served
}

func openSink(c config.Postgres, shards int, logger *slog.Logger) (*pgsink.Sink, error) {
	if c.URL == "" {
		logger.Warn("users are not copied to PostgreSQL: set postgres.url or " + postgresURLVariable + " to change that")
		return nil, nil
	}
	return pgsink.Open(c.URL, pgsink.Options{Shards: shards, FlushRowsMax: c.FlushRowsMax, Retention: c.Retention, Logger: logger})
}

func nodeOptions(c *config.Config, self config.Node, join string, peer net.Listener, gossip *cluster.Gossip, sink *pgsink.Sink, logger *slog.Logger) node.Options {
	o := node.Options{
		Self: addresses(self), DataDir: self.Data, Listener: peer, Gossip: gossip,
		Cluster: c.Cluster.Name, Shards: c.Cluster.Shards, BucketSeconds: int64(c.Cluster.BucketWidth / time.Second),
		Settings: cluster.Settings{
			SegmentsMax:   uint64(c.Cluster.SegmentsMax),
			HistoryPoints: uint64(c.Cluster.HistoryPoints),
			TickSchedule:  c.Tick.Schedule, TickTimeZone: c.Tick.TimeZone,
		},
		Join: join, VotersMax: c.Cluster.VotersMax,
		WriteTimeout: c.Write.Timeout, QueueBytesMax: c.Write.QueueBytesMax, SkewMax: c.Tick.SkewMax,
		Raft: node.RaftOptions{
			HeartbeatTimeout: c.Raft.HeartbeatTimeout, ElectionTimeout: c.Raft.ElectionTimeout,
			LeaderLeaseTimeout: c.Raft.LeaderLeaseTimeout,
			SnapshotBytes:      c.Raft.SnapshotBytes, TrailingBytes: c.Raft.TrailingBytes, DiskStallMax: c.Raft.DiskStallMax,
			LogStore: node.LogStoreKind(c.Raft.LogStore),
		},
		Schedule: func(expression, timeZone string) (node.Schedule, error) {
			return config.ParseSchedule(expression, timeZone)
		},
		OutboxMemoryBytes: c.Postgres.OutboxMemoryBytes,
		Fatal:             fatal(logger),
		Logger:            logger,
	}
	for _, n := range c.Nodes {
		o.Founders = append(o.Founders, addresses(n))
	}
	if sink != nil {
		o.Settings.OutboxBytesMax = uint64(c.Postgres.OutboxBytesMax)
		o.Settings.OutboxWindowBytesMax = uint64(c.Postgres.WindowBytesMax)
		o.Settings.OutboxWindowSeconds = uint64(c.Postgres.WindowMax / time.Second)
		o.Copy = copier(sink, logger)
	}
	return o
}

func addresses(n config.Node) node.Addresses {
	return node.Addresses{ID: n.ID, HTTP: n.HTTP, Peer: n.Peer, Gossip: n.Gossip}
}

// fatal ends the process at once. Nothing is closed or flushed: what is on disk is
// not to be trusted further, and the other nodes take over sooner.
func fatal(logger *slog.Logger) func(error) {
	return func(err error) {
		logger.Error("this node cannot go on", "err", err)
		os.Exit(exitFailed)
	}
}
