package pgsink

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// refused is a row that PostgreSQL does not take, and why.
type refused struct {
	rows // exactly one
	said *pgconn.PgError
}

// around is a flush that finds its way around the rows PostgreSQL refuses: it tries all
// rows of an op, and after an error each half of them. All in one transaction, with the
// refused rows going to the quarantine and the cursor moving at its end or not at all.
// n rows with k bad ones take about k log n statements.
type around struct {
	sink    *Sink
	tx      pgx.Tx
	refused []refused
}

// writeAround does a flush that writeAtOnce could not do because of its data.
func (s *Sink) writeAround(ctx context.Context, f flush) (int, error) {
	var a around
	begin := func(ctx context.Context) (err error) {
		a.sink = s
		a.tx, err = s.pool.Begin(ctx)
		return err
	}
	if err := s.roundTrip(ctx, begin); err != nil {
		return 0, err
	}
	defer a.giveUp()
	if err := a.prepare(ctx, f); err != nil {
		return 0, err
	}
	for _, r := range f.work.inOrder() {
		if err := a.apply(ctx, r); err != nil {
			return 0, err
		}
	}
	if err := a.quarantine(ctx, f); err != nil {
		return 0, err
	}
	if err := s.roundTrip(ctx, a.tx.Commit); err != nil {
		return 0, err
	}
	if len(a.refused) > 0 {
		s.o.Logger.Warn("PostgreSQL refuses rows: they are in the table quarantine",
			"shard", f.stream.Shard, "rows", len(a.refused), "sqlstate", a.refused[0].said.Code)
	}
	return len(a.refused), nil
}

// roundTrip bounds a single exchange: the whole may take as long as it has to, because it
// gets somewhere.
func (s *Sink) roundTrip(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.roundTripMax())
	defer cancel()
	return do(ctx)
}

// giveUp rolls back what has not been committed.
func (a *around) giveUp() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = a.tx.Rollback(ctx) // without an answer the connection is closed, which rolls back too
}

// prepare fences, has deferred constraints speak up at once, where the row is known, and
// clears the quarantine of what this flush ends. None of it depends on the data.
func (a *around) prepare(ctx context.Context, f flush) error {
	batch := &pgx.Batch{}
	sql, arguments := f.advance()
	batch.Queue(sql, arguments...)
	batch.Queue(`SET CONSTRAINTS ALL IMMEDIATE`)
	for _, r := range f.work.inOrder() {
		if sql, arguments, ok := r.forgetting(); ok {
			batch.Queue(sql, arguments...)
		}
	}
	return a.send(ctx, batch)
}

func (a *around) send(ctx context.Context, batch *pgx.Batch) error {
	return a.sink.roundTrip(ctx, func(ctx context.Context) error { return a.tx.SendBatch(ctx, batch).Close() })
}

// apply does the rows and sets aside those that PostgreSQL refuses, one by one.
func (a *around) apply(ctx context.Context, r rows) error {
	err := a.try(ctx, r)
	said, ok := refusal(err)
	if !ok {
		return err // nil, or nothing that a smaller statement would avoid
	}
	if err := a.takeBack(ctx); err != nil {
		return err
	}
	if r.len() == 1 {
		if r.op == OpPut || !unstorable(said) { // what cannot be stored is not there to be ended
			a.refused = append(a.refused, refused{r, said})
		}
		return nil
	}
	left, right := r.halves()
	if err := a.apply(ctx, left); err != nil {
		return err
	}
	return a.apply(ctx, right)
}

// try does the rows within a savepoint: one round trip.
func (a *around) try(ctx context.Context, r rows) error {
	batch := &pgx.Batch{}
	batch.Queue(`SAVEPOINT attempt`)
	sql, arguments := r.statement()
	batch.Queue(sql, arguments...)
	batch.Queue(`RELEASE SAVEPOINT attempt`)
	return a.send(ctx, batch)
}

func (a *around) takeBack(ctx context.Context) error {
	return a.sink.roundTrip(ctx, func(ctx context.Context) error {
		_, err := a.tx.Exec(ctx, `ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt`)
		return err
	})
}

const sqlQuarantine = `
INSERT INTO quarantine (op, id, segment, expiry, sqlstate, error, incarnation, shard, index)
SELECT r.op, r.id, r.segment, r.expiry, r.sqlstate, r.error, $7, $8, $9
FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bigint[], $5::text[], $6::text[])
  AS r (op, id, segment, expiry, sqlstate, error)`

func (a *around) quarantine(ctx context.Context, f flush) error {
	if len(a.refused) == 0 {
		return nil
	}
	var (
		ops, states, errors []string
		ids, segments       [][]byte
		expiries            []*int64
	)
	for _, row := range a.refused {
		ops = append(ops, row.op.String())
		ids = append(ids, []byte(row.ids[0]))
		segment, expiry := []byte{}, (*int64)(nil)
		if row.op != OpErase {
			segment = []byte(row.segments[0])
		}
		if row.op == OpPut {
			expiry = &row.expiries[0]
		}
		segments = append(segments, segment)
		expiries = append(expiries, expiry)
		states = append(states, row.said.Code)
		errors = append(errors, explanation(row.said))
	}
	err := a.sink.roundTrip(ctx, func(ctx context.Context) error {
		_, err := a.tx.Exec(ctx, sqlQuarantine, ops, ids, segments, expiries, states, errors,
			f.stream.Incarnation, int32(f.stream.Shard), int64(f.to))
		return err
	})
	if err != nil {
		return fmt.Errorf("quarantine %d rows: %w", len(a.refused), err)
	}
	return nil
}

// explanation is what PostgreSQL said, in a form that it takes back.
func explanation(said *pgconn.PgError) string {
	const bytesMax = 1000
	text := said.Message
	if said.Detail != "" {
		text += ": " + said.Detail
	}
	text = strings.ReplaceAll(text[:min(len(text), bytesMax)], "\x00", "")
	return strings.ToValidUTF8(text, "")
}
