package pgsink

import (
	"context"
	"fmt"
)

// sqlCursor creates a stream's cursor, or reads it. Either way it locks the row, and so
// waits for the outcome of a transaction that is about to move it: a COMMIT of ours that
// got no answer, or a flush of a leader before us.
const sqlCursor = `
INSERT INTO headcount_cursor AS c (incarnation, shard, index) VALUES ($1, $2, 0)
ON CONFLICT (incarnation, shard) DO UPDATE SET index = c.index
RETURNING index`

// settle finds out where PostgreSQL stands and returns its cursor. Nobody's word counts
// but PostgreSQL's own: it is asked at the start and after every failure.
func (r *run) settle(ctx context.Context) (cursor uint64, err error) {
	if err := r.sink.ensureSchema(ctx); err != nil {
		return 0, err
	}
	// Before the cursor: another leader may flush and acknowledge in between, and its
	// acknowledgement must not be held against the cursor of a moment ago.
	acked, dropped := r.outbox.Acked(), r.outbox.Dropped()
	if cursor, err = r.readCursor(ctx); err != nil {
		return 0, err
	}
	if cursor > acked {
		return r.settleAhead(ctx, cursor, acked)
	}
	if cursor == acked {
		return cursor, nil
	}
	// PostgreSQL was set back. What is still in the outbox goes there again.
	if cursor < dropped {
		if err := r.closeGap(ctx, cursor, dropped); err != nil {
			return 0, err
		}
		cursor = dropped
	}
	if cursor < acked {
		r.sink.watched.refills.Inc()
		r.logger.Warn("PostgreSQL was set back: it gets again what the outbox has kept", "from", cursor, "to", acked)
	}
	return cursor, nil
}

// errSetBackAgain: hardly anything in this cluster can be the reason.
var errSetBackAgain = fmt.Errorf("%w: PostgreSQL's cursor is ahead of the shard's log once more: another cluster of the same incarnation, "+
	"such as one on copies of these disks, writes to this database, or it failed over to a standby that lags; see docs/POSTGRES.md", errOutbox)

// settleAhead settles where the cursor is ahead of what was acknowledged. Mostly, this leader
// or one before it could not acknowledge its last flushes. But if the cursor is ahead of
// everything that these may have flushed, the log was set back: what it has, or will have, at
// the indexes up to the cursor is not what PostgreSQL has of them. Then the cursor goes back
// to what the log says is in PostgreSQL, not further: what is in the window may be deletions
// of what only PostgreSQL still has.
func (r *run) settleAhead(ctx context.Context, cursor, acked uint64) (uint64, error) {
	// After the cursor was read: so a leader that has been deposed without knowing it
	// gets an error, and does not take the cursor of the next one for one of the future.
	begin, err := r.outbox.Begin(ctx)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w: %w", errOutbox, err)
	case cursor <= max(begin, r.attempted):
		return cursor, nil
	case r.tookBack:
		return 0, errSetBackAgain
	}
	if ahead := (Gap{From: begin, To: cursor}); ahead != r.ahead {
		r.ahead = ahead
		r.sink.watched.ahead(r.stream, ahead)
		r.logger.Error("the cluster lacks writes that PostgreSQL has: the nodes of this shard were restored from older disks. "+
			"What PostgreSQL alone has does not count; see docs/POSTGRES.md", "from", begin, "to", cursor)
	}
	if _, err := r.sink.write(ctx, flush{stream: r.stream, from: cursor, to: acked}); err != nil {
		return 0, fmt.Errorf("take the cursor back: %w", err)
	}
	r.tookBack = true
	return acked, nil
}

func (r *run) readCursor(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, r.sink.roundTripMax())
	defer cancel()
	var index int64
	err := r.sink.pool.QueryRow(ctx, sqlCursor, r.stream.Incarnation, int32(r.stream.Shard)).Scan(&index)
	if err != nil {
		return 0, fmt.Errorf("read the cursor: %w", err)
	}
	if index < 0 {
		return 0, fmt.Errorf("read the cursor: PostgreSQL has index %d", index)
	}
	return uint64(index), nil
}

// closeGap moves the cursor over entries that have left the outbox, and that PostgreSQL
// does not have (any more). Nobody can bring them back here: say so as loudly as possible
// and go on with what there is. It is said before the cursor is moved: afterwards, nobody
// who does not hear of the COMMIT would find the gap again.
func (r *run) closeGap(ctx context.Context, cursor, dropped uint64) error {
	if gap := (Gap{From: cursor, To: dropped}); gap != r.gap {
		r.gap = gap
		r.sink.watched.gap(r.stream, gap)
		r.logger.Error("PostgreSQL lacks memberships that it once had: it was restored from an older backup, or is a new database. "+
			"What was written between these indexes is missing there until it is written again",
			"from", cursor, "to", dropped)
	}
	if _, err := r.sink.write(ctx, flush{stream: r.stream, from: cursor, to: dropped}); err != nil {
		return fmt.Errorf("move the cursor over a gap: %w", err)
	}
	return nil
}
