package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"headcount/pglocal"
)

// postgresPoolMax is how many connections to PostgreSQL the senders share: a private
// server takes a hundred.
const postgresPoolMax = 64

const (
	postgresTable = `CREATE TABLE users (id text, segment text, expired_segment timestamptz NOT NULL, PRIMARY KEY (id, segment))`

	postgresInsert = `INSERT INTO users AS u (id, segment, expired_segment) `
	postgresUpdate = ` ON CONFLICT (id, segment) DO UPDATE SET expired_segment = excluded.expired_segment
WHERE excluded.expired_segment > u.expired_segment`

	postgresOne  = postgresInsert + `VALUES ($1, $2, to_timestamp($3::bigint))` + postgresUpdate
	postgresMany = postgresInsert + `SELECT k.id, k.segment, to_timestamp(k.expiry)
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS k (id, segment, expiry)` + postgresUpdate
)

// postgresPeer is one server with the settings that it comes with: fsync is on.
func postgresPeer() peer {
	return peer{
		name: "postgresql", durability: "synced by one", copies: 1,
		missing: func() string {
			if _, ok := pglocal.Find(); !ok {
				return "PostgreSQL (package postgresql)"
			}
			return ""
		},
		start: func(ctx context.Context, _ compareOptions, dir string) (*site, error) {
			server, err := pglocal.Start(ctx, pglocal.Options{Dir: dir})
			if err != nil {
				return nil, err
			}
			pool, err := postgresPool(ctx, server.URL())
			if err != nil {
				server.Stop()
				return nil, err
			}
			return &site{
				pids: []int{server.Pid()},
				open: func(ctx context.Context, _ int, o options) (sender, error) {
					return newPostgresSender(ctx, pool, o), nil
				},
				stop: func() error { pool.Close(); server.Stop(); return nil },
			}, nil
		},
	}
}

func postgresPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MinConns, config.MaxConns = postgresPoolMax, postgresPoolMax
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, postgresTable); err != nil {
		pool.Close()
		return nil, fmt.Errorf("creating the table: %w", err)
	}
	return pool, nil
}

// postgresSender inserts one row, or the rows of arrays, each time over a connection of
// the pool.
type postgresSender struct {
	ctx     context.Context
	pool    *pgxpool.Pool
	records int
	user    int // digits
	segment int
	rows    []membership
}

type membership struct {
	user, segment string
	expiry        int64
}

func newPostgresSender(ctx context.Context, pool *pgxpool.Pool, o options) *postgresSender {
	s := &postgresSender{ctx: ctx, pool: pool, records: o.records()}
	s.user, s.segment = o.widths()
	return s
}

func (s *postgresSender) send(d *draw, now time.Time, t *tally) {
	s.rows = s.rows[:0]
	for range s.records {
		s.rows = append(s.rows, membership{
			user:    fmt.Sprintf("u%0*d", s.user, d.user()),
			segment: fmt.Sprintf("s%0*d", s.segment, d.segment()),
			expiry:  int64(d.expiry(now)),
		})
	}
	if err := s.write(); err != nil {
		t.failed(err)
		return
	}
	t.answered(time.Since(now), s.records)
}

func (s *postgresSender) write() error {
	if s.records == 1 {
		_, err := s.pool.Exec(s.ctx, postgresOne, s.rows[0].user, s.rows[0].segment, s.rows[0].expiry)
		return err
	}
	// In one order, or two transactions may wait for each other; and each row once, as
	// ON CONFLICT demands: the latest expiry.
	slices.SortFunc(s.rows, func(a, b membership) int {
		return cmp.Or(strings.Compare(a.user, b.user), strings.Compare(a.segment, b.segment), cmp.Compare(b.expiry, a.expiry))
	})
	rows := slices.CompactFunc(s.rows, func(a, b membership) bool { return a.user == b.user && a.segment == b.segment })
	users, segments, expiries := make([]string, len(rows)), make([]string, len(rows)), make([]int64, len(rows))
	for i, r := range rows {
		users[i], segments[i], expiries[i] = r.user, r.segment, r.expiry
	}
	_, err := s.pool.Exec(s.ctx, postgresMany, users, segments, expiries)
	return err
}

func (s *postgresSender) close() {} // the pool stays
