package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"headcount/pgsink"
)

// method empties the outbox in one way.
type method interface {
	// put writes the entries from (not included) to; when it returns they are committed.
	put(ctx context.Context, from, to uint64) error
	close() error
}

// hand is a method that is written by hand: batches of sorted rows over one connection
// or several, each batch a transaction.
type hand struct {
	source    *source
	batchRows uint64
	conns     []*pgx.Conn
	write     func(ctx context.Context, conn *pgx.Conn, rows []pgsink.Row) error
}

func newHand(ctx context.Context, url string, s *source, batchRows, connections int,
	write func(context.Context, *pgx.Conn, []pgsink.Row) error,
) (method, error) {
	h := &hand{source: s, batchRows: uint64(batchRows), write: write}
	for range connections {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return nil, errors.Join(err, h.close())
		}
		h.conns = append(h.conns, conn)
	}
	return h, nil
}

func (h *hand) put(ctx context.Context, from, to uint64) error {
	batches := make(chan []pgsink.Row) // unbuffered: one is prepared ahead
	go func() {
		defer close(batches)
		step := max(1, h.batchRows/entryRows)
		for at := from; at < to; at += step {
			select {
			case batches <- h.source.batch(at, min(at+step, to)):
			case <-ctx.Done():
				return
			}
		}
	}()
	errs := make([]error, len(h.conns))
	var writing sync.WaitGroup
	for i, conn := range h.conns {
		writing.Go(func() {
			for rows := range batches {
				if errs[i] == nil {
					errs[i] = h.write(ctx, conn, rows)
				}
			}
		})
	}
	writing.Wait()
	return errors.Join(append(errs, ctx.Err())...)
}

func (h *hand) close() error {
	var errs []error
	for _, conn := range h.conns {
		errs = append(errs, conn.Close(context.Background()))
	}
	return errors.Join(errs...)
}

const onConflict = ` ON CONFLICT (id, segment) DO UPDATE SET expired_segment = excluded.expired_segment, updated_at = now()
WHERE excluded.expired_segment > u.expired_segment`

// unnest sends the columns as arrays.
func unnest(ctx context.Context, conn *pgx.Conn, rows []pgsink.Row) error {
	ids, titles, expiries := make([]string, len(rows)), make([]string, len(rows)), make([]int64, len(rows))
	for i, r := range rows {
		ids[i], titles[i], expiries[i] = r.ID, r.Segment, r.Expiry
	}
	_, err := conn.Exec(ctx, `INSERT INTO users AS u (id, segment, expired_segment)
SELECT k.id, k.segment, to_timestamp(k.expiry) FROM unnest($1::text[], $2::text[], $3::bigint[]) AS k (id, segment, expiry)`+onConflict,
		ids, titles, expiries)
	return err
}

// copyIn sends the rows by COPY into a table of the session, and merges that.
func copyIn(ctx context.Context, conn *pgx.Conn, rows []pgsink.Row) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `CREATE TEMPORARY TABLE IF NOT EXISTS incoming
(id text COLLATE "C", segment text COLLATE "C", expired_segment timestamptz) ON COMMIT DELETE ROWS`); err != nil {
			return err
		}
		next := 0
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"incoming"}, []string{"id", "segment", "expired_segment"}, pgx.CopyFromFunc(func() ([]any, error) {
			if next == len(rows) {
				return nil, nil
			}
			r := rows[next]
			next++
			return []any{r.ID, r.Segment, time.Unix(r.Expiry, 0)}, nil
		})); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO users AS u (id, segment, expired_segment) SELECT id, segment, expired_segment FROM incoming`+onConflict)
		return err
	})
}

// pipeline sends a statement for each row, all at once.
func pipeline(ctx context.Context, conn *pgx.Conn, rows []pgsink.Row) error {
	batch := &pgx.Batch{}
	for _, r := range rows {
		batch.Queue(`INSERT INTO users AS u (id, segment, expired_segment) VALUES ($1, $2, to_timestamp($3::bigint))`+onConflict, r.ID, r.Segment, r.Expiry)
	}
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("pipeline: %w", err)
	}
	return nil
}
