package pgsink

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	sqlAdvance = `SELECT headcount_advance($1, $2, $3, $4)`
	sqlPause   = `SELECT pg_sleep($1)`
)

// pausesMax bounds the pauses of one flush, together.
const pausesMax = 750 * time.Millisecond

// flush is one move of a stream's cursor, with the effect of what lies between.
type flush struct {
	stream   Stream
	from, to uint64 // shard indexes
	work     folded
	hurry    bool // PostgreSQL is behind
}

// advance is the compare-and-set of the cursor.
func (f flush) advance() (sql string, arguments []any) {
	return sqlAdvance, []any{f.stream.Incarnation, int32(f.stream.Shard), int64(f.from), int64(f.to)}
}

// write does the flush and returns how many rows PostgreSQL refused. Unless it is
// errFenced, an error leaves open what happened: read the cursor.
func (s *Sink) write(ctx context.Context, f flush) (refused int, err error) {
	err = s.writeAtOnce(ctx, f)
	if _, ok := refusal(err); ok {
		refused, err = s.writeAround(ctx, f)
	}
	switch {
	case isFenced(err):
		return 0, errFenced
	case err != nil:
		return 0, fmt.Errorf("flush: %w", err)
	}
	return refused, nil
}

// writeAtOnce sends everything in one round trip. Without BEGIN, PostgreSQL runs the
// statements of a pipeline as one transaction that commits at its end, and ends with the
// first error.
//
// Where there is no hurry, rows are put in pieces with pauses between them. In one go,
// PostgreSQL would take a processor for a good while, and write as much log to disk in
// one sync; on a machine that others use, they wait for that.
func (s *Sink) writeAtOnce(ctx context.Context, f flush) error {
	ctx, cancel := context.WithTimeout(ctx, s.roundTripMax())
	defer cancel()
	batch := &pgx.Batch{}
	sql, arguments := f.advance()
	batch.Queue(sql, arguments...)
	for _, r := range f.work.inOrder() {
		if sql, arguments, ok := r.forgetting(); ok {
			batch.Queue(sql, arguments...)
		}
		pieces := []rows{r}
		if r.op == OpPut && !f.hurry {
			pieces = r.pieces(s.o.PieceRows)
		}
		pause := min(s.o.PiecePause, pausesMax/time.Duration(len(pieces)))
		for i, piece := range pieces {
			if i > 0 {
				batch.Queue(sqlPause, pause.Seconds())
			}
			sql, arguments := piece.statement()
			batch.Queue(sql, arguments...)
		}
	}
	return s.pool.SendBatch(ctx, batch).Close() // reads every result, and the commit's
}
