package config

import (
	"path/filepath"
	"time"
)

// keys is the whole table of keys: what each is called, where its value goes,
// and the least and most it may be. Bounds keep out what cannot work or what
// can only be a slip; inside them the operator decides.
func keys(c *Config) []key {
	return []key{
		section("cluster",
			text("name", &c.Cluster.Name, checkName),
			number("shards", &c.Cluster.Shards, 1, 64),
			value("bucket_width", &c.Cluster.BucketWidth, wholeSeconds(time.Second, time.Hour)),
			number("segments_max", &c.Cluster.SegmentsMax, 1, 100_000),
			number("history_points", &c.Cluster.HistoryPoints, 400, 10_000),
			number("voters_max", &c.Cluster.VotersMax, 1, 15),
		),
		list("nodes", &c.Nodes, nodeKeys, finishNode),
		section("http",
			size("body_bytes_max", &c.HTTP.BodyBytesMax, 1*kib, 16*mib),
			size("bulk_body_bytes_max", &c.HTTP.BulkBodyBytesMax, 1*kib, 256*mib),
			span("read_timeout", &c.HTTP.ReadTimeout, 100*time.Millisecond, time.Hour),
			span("write_timeout", &c.HTTP.WriteTimeout, 100*time.Millisecond, time.Hour),
			span("idle_timeout", &c.HTTP.IdleTimeout, 100*time.Millisecond, time.Hour),
			number("connections_max", &c.HTTP.ConnectionsMax, 1, 1_000_000),
			number("connections_per_ip_max", &c.HTTP.ConnectionsPerIPMax, 1, 1_000_000),
		),
		section("write",
			span("timeout", &c.Write.Timeout, 10*time.Millisecond, time.Minute),
			size("queue_bytes_max", &c.Write.QueueBytesMax, 4*kib, 1*gib),
			span("default_lifetime", &c.Write.DefaultLifetime, time.Second, 400*day),
			span("lifetime_max", &c.Write.LifetimeMax, time.Second, 400*day),
		),
		section("tick",
			text("schedule", &c.Tick.Schedule, checkSchedule),
			text("time_zone", &c.Tick.TimeZone, checkTimeZone),
			span("skew_max", &c.Tick.SkewMax, time.Millisecond, time.Minute),
		),
		section("postgres",
			text("url", &c.Postgres.URL, checkPostgresURL),
			number("flush_rows_max", &c.Postgres.FlushRowsMax, 1, 500_000),
			size("outbox_bytes_max", &c.Postgres.OutboxBytesMax, 4*kib, 64*gib),
			size("outbox_memory_bytes", &c.Postgres.OutboxMemoryBytes, 64*kib, 64*gib),
			size("window_bytes_max", &c.Postgres.WindowBytesMax, 0, 64*gib),
			span("window_max", &c.Postgres.WindowMax, time.Second, 400*day),
			span("retention", &c.Postgres.Retention, 0, 3650*day),
		),
		section("raft",
			span("heartbeat_timeout", &c.Raft.HeartbeatTimeout, 10*time.Millisecond, time.Minute),
			span("election_timeout", &c.Raft.ElectionTimeout, 10*time.Millisecond, time.Minute),
			span("leader_lease_timeout", &c.Raft.LeaderLeaseTimeout, 10*time.Millisecond, time.Minute),
			size("snapshot_bytes", &c.Raft.SnapshotBytes, 64*kib, 64*gib),
			size("trailing_bytes", &c.Raft.TrailingBytes, 64*kib, 64*gib),
			span("disk_stall_max", &c.Raft.DiskStallMax, time.Second, 10*time.Minute),
			text("log_store", &c.Raft.LogStore, oneOf("bolt", "wal")),
		),
		section("log",
			text("level", &c.Log.Level, oneOf("debug", "info", "warn", "error")),
			text("format", &c.Log.Format, oneOf("text", "json")),
		),
	}
}

// nodeKeys are the keys of one entry of nodes. All but data must be given.
func nodeKeys(n *Node) []key {
	return []key{
		text("id", &n.ID, checkNodeID).required("a name of its own, such as n1"),
		text("http", &n.HTTP, checkAddress).required("where clients reach it, such as 127.0.0.1:8000"),
		text("peer", &n.Peer, checkAddress).required("where other nodes reach it, such as 127.0.0.1:8010"),
		text("gossip", &n.Gossip, checkAddress).required("where gossip reaches it, such as 127.0.0.1:8020"),
		text("data", &n.Data, checkDirectory),
	}
}

// finishNode gives a node without a data directory the one named after it.
func finishNode(n *Node) {
	if n.Data == "" {
		n.Data = filepath.Join("data", n.ID)
	}
	n.Data = filepath.Clean(n.Data)
}
