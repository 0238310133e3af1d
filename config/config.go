package config

import "time"

// Config is a whole cluster file. Everything but Nodes has a default, see
// [Default]. It must not be changed once it was returned.
type Config struct {
	Cluster  Cluster
	Nodes    []Node // at least one; in the order of the file
	HTTP     HTTP
	Write    Write
	Tick     Tick
	Postgres Postgres
	Raft     Raft
	Log      Log
}

// Cluster is what all nodes must agree on. Two of its fields are fixed when the
// cluster is born; those called replicated live in the cluster group.
type Cluster struct {
	Name          string        // named in every peer connection; a mismatch is refused
	Shards        int           // parts of the user-ID space; fixed at birth; 1 to 64
	BucketWidth   time.Duration // how late an expiry may count; whole seconds; fixed at birth; 1s to 1h
	SegmentsMax   int           // per shard; replicated setting
	HistoryPoints int           // counts kept at ticks; replicated setting; 400 to 10,000
	VotersMax     int           // nodes that vote; in this version every node holds every shard
}

// Node is one process of the cluster. Addresses are host:port, all distinct.
type Node struct {
	ID     string // 1 to 64 of a-z A-Z 0-9 . _ -
	HTTP   string // clients
	Peer   string // Raft and forwarded batches, TCP
	Gossip string // liveness hints, TCP and UDP
	Data   string // directory; data/<id> under the working directory unless given
}

// HTTP bounds what one client may ask of a node.
type HTTP struct {
	BodyBytesMax        int           // a request with one membership
	BulkBodyBytesMax    int           // an NDJSON or JSON array request
	ReadTimeout         time.Duration // the whole request
	WriteTimeout        time.Duration // the whole reply
	IdleTimeout         time.Duration // a connection between two requests
	ConnectionsMax      int           // per node
	ConnectionsPerIPMax int           // per node; a load balancer is one IP
}

// Write bounds one write and what it may carry.
type Write struct {
	Timeout         time.Duration // until a write is answered with 503 or 504
	QueueBytesMax   int           // waiting per shard and node; more gets 503
	DefaultLifetime time.Duration // of a membership written without an expiry
	LifetimeMax     time.Duration // the furthest expiry that is accepted
}

// Tick says when expired memberships are drained.
type Tick struct {
	Schedule string        // see ParseSchedule
	TimeZone string        // IANA name, or UTC
	SkewMax  time.Duration // a leader's clock further ahead of the majority's does not tick
}

// Parsed returns the schedule of t. It cannot fail for a Tick that came from
// Load, Parse or Default.
func (t Tick) Parsed() (Schedule, error) { return ParseSchedule(t.Schedule, t.TimeZone) }

// Postgres says where users are copied to.
type Postgres struct {
	URL            string        // empty: users are not copied. May hold a password: never log it
	FlushRowsMax   int           // rows in one flush
	OutboxBytesMax int64         // per shard, replicated setting: a fuller outbox answers writes with 503
	WindowBytesMax int64         // per shard, replicated setting: of what PostgreSQL has and is kept, should it be set back
	WindowMax      time.Duration // replicated setting: the same by age
	// OutboxMemoryBytes is what memory keeps of both, per shard; the rest is on disk.
	OutboxMemoryBytes int64

	Retention time.Duration // rows that expired longer ago are deleted; 0: they stay
}

// Raft holds the timings and thresholds of every Raft group of a node.
type Raft struct {
	HeartbeatTimeout   time.Duration // without word from a leader a follower asks for votes
	ElectionTimeout    time.Duration // a candidate without a majority tries again
	LeaderLeaseTimeout time.Duration // a leader without word from a majority steps down
	SnapshotBytes      int64         // log bytes since the last snapshot that start the next; no fewer than that has
	TrailingBytes      int64         // log bytes kept behind a snapshot for slow followers
	DiskStallMax       time.Duration // a log write in progress for longer ends the process
	LogStore           string        // bolt or wal: what holds the log on disk
}

// Log says what the node writes to standard error.
type Log struct {
	Level  string // debug, info, warn or error
	Format string // text or json
}

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30

	day = 24 * time.Hour
)

// Default returns the values of all keys that a file leaves out. It has no nodes.
func Default() *Config {
	return &Config{
		Cluster: Cluster{
			Name:          "headcount",
			Shards:        1,
			BucketWidth:   time.Minute,
			SegmentsMax:   10_000,
			HistoryPoints: 400,
			VotersMax:     7,
		},
		HTTP: HTTP{
			BodyBytesMax:        64 * kib,
			BulkBodyBytesMax:    8 * mib,
			ReadTimeout:         15 * time.Second,
			WriteTimeout:        15 * time.Second,
			IdleTimeout:         time.Minute,
			ConnectionsMax:      20_000,
			ConnectionsPerIPMax: 20_000,
		},
		Write: Write{
			Timeout:         5 * time.Second,
			QueueBytesMax:   8 * mib,
			DefaultLifetime: 14 * day,
			LifetimeMax:     400 * day,
		},
		Tick: Tick{Schedule: "0 0 * * *", TimeZone: "UTC", SkewMax: 500 * time.Millisecond},
		Postgres: Postgres{
			FlushRowsMax:      100_000,
			OutboxBytesMax:    4 * gib,
			WindowBytesMax:    1 * gib,
			WindowMax:         day,
			OutboxMemoryBytes: 32 * mib,
		},
		Raft: Raft{
			HeartbeatTimeout:   time.Second,
			ElectionTimeout:    time.Second,
			LeaderLeaseTimeout: 500 * time.Millisecond,
			SnapshotBytes:      64 * mib,
			TrailingBytes:      16 * mib,
			DiskStallMax:       20 * time.Second,
			LogStore:           "wal",
		},
		Log: Log{Level: "info", Format: "text"},
	}
}

// Node returns the node with that ID, and whether there is one.
func (c *Config) Node(id string) (Node, bool) {
	for _, node := range c.Nodes {
		if node.ID == id {
			return node, true
		}
	}
	return Node{}, false
}
