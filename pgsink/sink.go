package pgsink

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options of [Open]. Zero values stand for the defaults.
type Options struct {
	Logger *slog.Logger // nil: silence

	// Shards is how many Runs are expected at once; the pool holds two connections more, made
	// when they are needed. More Runs work too, and take turns. Default 16.
	Shards int

	// FlushRowsMax bounds the rows of one flush, unless a single entry has more. Default 100,000.
	FlushRowsMax int

	// While PostgreSQL is not behind, a flush puts PieceRows at a time and pauses between
	// them, for PiecePause and 750 ms in all at most. Defaults 200 and 15 ms.
	PieceRows  int
	PiecePause time.Duration

	// An acknowledgement is one Raft entry, so it covers many flushes: one at most every
	// AckInterval, or earlier after AckRows rows. Defaults 200 ms and 50,000.
	AckInterval time.Duration
	AckRows     int

	// Rows that expired longer ago than Retention are deleted; 0: they stay. The leader of
	// shard 0 looks through the table now and then, RetentionEvery after it has been through
	// (default 6 h), and pauses between two pages of it (default 50 ms).
	Retention                      time.Duration
	RetentionEvery, RetentionPause time.Duration

	// How often PostgreSQL is asked for the cursor while there is nothing to flush. Default 1 min.
	IdleCheck time.Duration

	// Limits. The URL's own connect_timeout, lock_timeout and statement_timeout go before.
	ConnectTimeout   time.Duration // default 5 s
	LockTimeout      time.Duration // default 10 s
	StatementTimeout time.Duration // default 30 s; a round trip may take twice as long

	// Wait after a failure. Defaults 50 ms, doubling up to 5 s.
	BackoffMin, BackoffMax time.Duration
}

func (o Options) withDefaults() Options {
	fill(&o.Shards, 16)
	fill(&o.FlushRowsMax, 100_000)
	fill(&o.PieceRows, 200)
	fill(&o.PiecePause, 15*time.Millisecond)
	fill(&o.AckInterval, 200*time.Millisecond)
	fill(&o.AckRows, 50_000)
	fill(&o.RetentionEvery, retentionEvery)
	fill(&o.RetentionPause, retentionPause)
	fill(&o.IdleCheck, time.Minute)
	fill(&o.ConnectTimeout, 5*time.Second)
	fill(&o.LockTimeout, 10*time.Second)
	fill(&o.StatementTimeout, 30*time.Second)
	fill(&o.BackoffMin, 50*time.Millisecond)
	fill(&o.BackoffMax, 5*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func fill[T int | time.Duration](value *T, otherwise T) {
	if *value <= 0 {
		*value = otherwise
	}
}

// Sink writes to one PostgreSQL database.
type Sink struct {
	o       Options
	config  *pgx.ConnConfig // for connections outside of the pool
	pool    *pgxpool.Pool
	schema  schema
	watched watched
}

// Open parses the URL and prepares the connections; it makes none, so PostgreSQL need not
// be up. The error does not repeat the URL's password. The caller closes the Sink.
func Open(url string, o Options) (*Sink, error) {
	o = o.withDefaults()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse the PostgreSQL URL: %w", err)
	}
	config.MaxConns = int32(min(o.Shards, 10_000)) + 2
	config.MinConns, config.MinIdleConns = 0, 0
	config.MaxConnIdleTime = 5 * time.Minute
	config.AfterConnect = encodeColumns
	limit(config.ConnConfig, o)
	s := &Sink{o: o, config: config.ConnConfig.Copy(), schema: newSchema()}
	s.pool, err = pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, fmt.Errorf("prepare the PostgreSQL connections: %w", err)
	}
	s.watched.init(s.pool)
	return s, nil
}

// Close closes the connections. Every Run must have returned.
func (s *Sink) Close() { s.pool.Close() }

// roundTripMax ends what a dead network would let wait for ever. It leaves PostgreSQL's
// own, more telling time limits the precedence.
func (s *Sink) roundTripMax() time.Duration { return 2 * s.o.StatementTimeout }

// limit sets what a connection begins with, where the URL does not say otherwise, and
// nothing that a pooler would refuse. The
// isolation is not left to the server's default: the upsert is written for this one.
// Keepalives make the server notice within a minute that a node has vanished, and let go
// of the cursor that its transaction may hold.
func limit(config *pgx.ConnConfig, o Options) {
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = o.ConnectTimeout
	}
	if pooled(config) {
		return
	}
	for name, value := range map[string]string{
		"application_name":                    "headcount",
		"lock_timeout":                        milliseconds(o.LockTimeout),
		"statement_timeout":                   milliseconds(o.StatementTimeout),
		"idle_in_transaction_session_timeout": milliseconds(o.StatementTimeout),
		"default_transaction_isolation":       "read committed",
		"tcp_keepalives_idle":                 "30",
		"tcp_keepalives_interval":             "10",
		"tcp_keepalives_count":                "3",
	} {
		if _, given := config.RuntimeParams[name]; !given {
			config.RuntimeParams[name] = value
		}
	}
}

// pooled reports whether the URL says that a pooler such as PgBouncer may give every
// transaction another connection: then nothing is kept on one, neither prepared statements
// nor settings, which such a pooler would not pass on.
func pooled(config *pgx.ConnConfig) bool {
	return config.DefaultQueryExecMode == pgx.QueryExecModeExec || config.DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol
}

func milliseconds(d time.Duration) string {
	return strconv.FormatInt(max(d.Milliseconds(), 1), 10)
}
