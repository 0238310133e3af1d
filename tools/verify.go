package tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"headcount/client"
)

const (
	verifyWaitDefault = time.Minute
	verifyPause       = time.Second // between two rounds
	verifyRounds      = 6           // that a difference must outlast: longer than a node's report of another is old
	verifyShown       = 50
	verifyAhead       = 5 * time.Second // that the instant of a round lies ahead, at first
)

// ErrDifferent is returned by [Verify] when the cluster and PostgreSQL differ.
var ErrDifferent = errors.New("the cluster and PostgreSQL differ")

// ErrUndecided is returned by [Verify] when it cannot tell: segments changed all the time.
var ErrUndecided = errors.New("could not be compared")

// verifyQuery counts as the cluster does, at an instant between two buckets: there a
// membership counts if its expiry is later, for a bucket ends at or after what expires in it.
const verifyQuery = `SELECT segment::text, count(*) FROM users
WHERE expired_segment > to_timestamp($1) AND segment IS NOT NULL GROUP BY segment`

// VerifyOptions says what [Verify] compares.
type VerifyOptions struct {
	URL  string // of a node, or of several, separated by commas
	DSN  string // of the database with the table users
	Zone *time.Location
	Wait time.Duration // for PostgreSQL to catch up, and for segments to stand still; 0: a minute
	Out  io.Writer
}

// Verify compares the count of each segment in the cluster with PostgreSQL's own count(*)
// of live rows, in the copy or in the table that was imported.
//
// It goes in rounds, each about an instant a little ahead at which a bucket ends, so that
// nothing expires while it compares. In each, it asks the cluster for its counts,
// linearizably; waits until PostgreSQL has what the cluster had then; counts there; and
// asks the cluster once more. A segment whose count was the same before and after and in PostgreSQL is equal.
// One that has changed meanwhile is looked at again in the next round. One that stood
// still and differs in as many rounds as it takes to be sure is different.
//
// It returns nil, an error that matches [ErrDifferent] or [ErrUndecided], or why it could
// not ask.
func Verify(ctx context.Context, o VerifyOptions) error {
	if o.Wait == 0 {
		o.Wait = verifyWaitDefault
	}
	headcount, err := dial(o.URL, client.Options{RetriesMax: seedRetriesMax})
	if err != nil {
		return err
	}
	defer headcount.Close()
	database, err := pgx.Connect(ctx, o.DSN)
	if err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer func() { _ = database.Close(context.WithoutCancel(ctx)) }()
	// For expiries of type timestamp without time zone.
	if _, err := database.Exec(ctx, "SELECT set_config('timezone', $1, false), set_config('statement_timeout', '0', false)", o.Zone.String()); err != nil {
		return fmt.Errorf("setting PostgreSQL's time zone: %w", err)
	}
	v := &verifier{o: o, headcount: headcount, database: database, deadline: time.Now().Add(o.Wait), ahead: verifyAhead}
	return v.run(ctx)
}

type verifier struct {
	o         VerifyOptions
	headcount *client.Client
	database  *pgx.Conn
	deadline  time.Time
	ahead     time.Duration // doubled while a round takes longer
	at        time.Time     // of the last round that compared; zero: none has

	compared map[string]*comparison // by segment
}

// comparison is what has been found out about one segment.
type comparison struct {
	cluster, table uint64
	equal          bool
	differed       int // rounds, one after the other
}

func (v *verifier) run(ctx context.Context) error {
	v.compared = map[string]*comparison{}
	for round := 1; ; round++ {
		if err := v.round(ctx); err != nil {
			return err
		}
		undecided, different := v.open()
		done := undecided == 0 && !v.at.IsZero()
		if done || time.Now().After(v.deadline) && round >= verifyRounds {
			return v.report(undecided, different)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(verifyPause):
		}
	}
}

// round compares once, unless it takes until after its instant.
func (v *verifier) round(ctx context.Context) error {
	status, err := v.headcount.Cluster(ctx)
	if err != nil {
		return err
	}
	width := status.Cluster.BucketWidthSeconds
	if width <= 0 {
		return errors.New("the node is in no cluster yet: ask another, or wait until it is ready")
	}
	at := client.UnixSeconds((time.Now().Add(v.ahead).Unix()/width + 1) * width)
	before, err := v.ask(ctx, at)
	if err != nil {
		return err
	}
	whole, err := v.waitForCopy(ctx)
	if err != nil {
		return err
	}
	table, err := v.count(ctx, at)
	if err != nil {
		return err
	}
	if time.Now().Add(verifyPause).After(at.Time()) {
		v.ahead *= 2
		return nil // the cluster could not be asked for that instant again
	}
	after, err := v.ask(ctx, at)
	if err != nil {
		return err
	}
	v.at = at.Time()
	titles := maps.Clone(table)
	maps.Copy(titles, before)
	maps.Copy(titles, after)
	for title := range titles {
		c := v.compared[title]
		if c == nil {
			c = &comparison{}
			v.compared[title] = c
		}
		if c.equal {
			continue
		}
		c.cluster, c.table = after[title], table[title]
		switch {
		case before[title] != after[title]:
			c.differed = 0
		case after[title] == table[title]:
			c.equal = true
		case !whole: // what is missing may still come
			c.differed = 0
		default:
			c.differed++
		}
	}
	return nil
}

// ask returns the cluster's counts at an instant.
func (v *verifier) ask(ctx context.Context, at client.UnixSeconds) (map[string]uint64, error) {
	counts, err := v.headcount.CountsAt(ctx, at, client.Linearizable())
	if err != nil {
		return nil, err
	}
	byTitle := make(map[string]uint64, len(counts))
	for _, c := range counts {
		byTitle[c.Title] = c.UsersCount
	}
	return byTitle, nil
}

// waitForCopy waits until PostgreSQL has what the cluster has now, and reports whether it
// does. A table that the cluster does not copy to is compared as it is.
func (v *verifier) waitForCopy(ctx context.Context) (bool, error) {
	then, err := v.headcount.Cluster(ctx)
	if err != nil {
		return false, err
	}
	for then.Postgres.Configured {
		now, err := v.headcount.Cluster(ctx)
		if err != nil {
			return false, err
		}
		if copied(then, now) {
			return true, nil
		}
		if time.Now().After(v.deadline) {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(verifyPause / 4):
		}
	}
	return true, nil
}

// copied reports whether PostgreSQL has now what each shard had then.
func copied(then, now client.ClusterStatus) bool {
	had := map[int]uint64{}
	for _, shard := range then.Shards {
		for _, r := range shard.Replicas {
			had[shard.Shard] = max(had[shard.Shard], r.Index)
		}
	}
	for _, shard := range now.Shards {
		leader := slices.IndexFunc(shard.Replicas, func(r client.ReplicaStatus) bool { return r.Node == shard.Leader })
		if leader < 0 || shard.Replicas[leader].Index < had[shard.Shard] {
			return false // nobody knows yet what is in its outbox
		}
		if shard.OutboxRows > 0 && shard.PostgresIndex < had[shard.Shard] {
			return false
		}
	}
	return true
}

// count counts the live rows of each segment.
func (v *verifier) count(ctx context.Context, at client.UnixSeconds) (map[string]uint64, error) {
	rows, err := v.database.Query(ctx, verifyQuery, int64(at))
	if err != nil {
		return nil, fmt.Errorf("counting in PostgreSQL: %w", err)
	}
	byTitle := map[string]uint64{}
	var title string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&title, &n}, func() error {
		byTitle[title] = uint64(n)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("counting in PostgreSQL: %w", err)
	}
	return byTitle, nil
}
