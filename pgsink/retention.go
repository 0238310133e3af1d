package pgsink

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const (
	retentionPageRows = 5_000                 // rows looked at by one statement
	retentionPause    = 50 * time.Millisecond // after each statement: deleting is in no hurry
	retentionEvery    = 6 * time.Hour         // from the end of a pass to the beginning of the next
	retentionRetry    = time.Minute           // at first, after a pass that failed; twice as long after each, up to RetentionEvery
	retentionShard    = 0                     // whose leader looks after it: one node at a time
)

// sqlRetention looks at the next rows by key, deletes those that expired longer ago than
// is kept, and returns how many they were, and the last key of the page. A row that is
// renewed meanwhile stays: PostgreSQL looks at the condition again once it has the lock.
const sqlRetention = `
WITH page AS MATERIALIZED (
    SELECT id, segment, expired_segment FROM users WHERE (id, segment) > ($1, $2) ORDER BY id, segment LIMIT $3
), gone AS (
    DELETE FROM users AS u USING page AS p
    WHERE u.id = p.id AND u.segment = p.segment
      AND p.expired_segment < now() - $4 * interval '1 second'
      AND u.expired_segment < now() - $4 * interval '1 second'
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone), id, segment, (SELECT count(*) FROM page)
FROM page ORDER BY id DESC, segment DESC LIMIT 1`

// retain deletes rows that expired long ago, pass after pass, until ctx ends. It walks
// the primary key in small steps, so that it needs no index of its own and locks few rows
// at a time. A failure ends the pass, and is told; the next begins anew.
func (s *Sink) retain(ctx context.Context, logger *slog.Logger) {
	pause := s.o.RetentionPause
	retry := backoff{min: retentionRetry, max: s.o.RetentionEvery}
	for ctx.Err() == nil {
		deleted, err := s.retainOnce(ctx, pause)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			logger.Warn("rows that expired long ago were not all deleted; they will be", "deleted", deleted, "err", err)
			retry.wait(ctx)
			continue
		}
		if deleted > 0 {
			logger.Info("deleted rows that expired long ago", "rows", deleted, "retention", s.o.Retention)
		}
		retry.reset()
		sleep(ctx, s.o.RetentionEvery)
	}
}

// retainOnce is one pass.
func (s *Sink) retainOnce(ctx context.Context, pause time.Duration) (deleted int64, err error) {
	if err := s.ensureSchema(ctx); err != nil {
		return 0, err
	}
	id, segment := "", ""
	for {
		gone, seen, err := s.retainPage(ctx, &id, &segment)
		if err != nil {
			return deleted, err
		}
		deleted += gone
		s.watched.retired.Add(int(gone))
		if seen < retentionPageRows {
			return deleted, nil
		}
		if sleep(ctx, pause); ctx.Err() != nil {
			return deleted, ctx.Err()
		}
	}
}

// retainPage looks at the rows after a key, which it moves.
func (s *Sink) retainPage(ctx context.Context, id, segment *string) (gone, seen int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.roundTripMax())
	defer cancel()
	rows, err := s.pool.Query(ctx, sqlRetention, *id, *segment, int64(retentionPageRows), int64(s.o.Retention/time.Second))
	if err != nil {
		return 0, 0, fmt.Errorf("delete expired rows: %w", err)
	}
	defer rows.Close()
	for rows.Next() { // one row, or none on an empty page
		if err := rows.Scan(&gone, id, segment, &seen); err != nil {
			return 0, 0, fmt.Errorf("delete expired rows: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return 0, 0, fmt.Errorf("delete expired rows: %w", err)
	}
	return gone, seen, nil
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
