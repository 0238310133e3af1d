package pgsink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"
)

// Batches halve when PostgreSQL is too slow for them, and grow back step by step: trying
// too large a one costs a whole time limit.
const (
	flushRowsMin = 64
	growthSteps  = 32
)

// errTrimmed: the outbox gave up entries we had not flushed yet. Settling tells whether
// another leader flushed them or PostgreSQL was set back.
var errTrimmed = errors.New("the outbox was trimmed past the cursor")

// errIdle: there has been nothing to flush for a while.
var errIdle = errors.New("nothing to flush")

// run copies one outbox for as long as one leadership lasts. It is a chain of sessions:
// a session begins by reading the cursor and ends with the first failure of any kind.
type run struct {
	sink    *Sink
	stream  Stream
	outbox  Outbox
	logger  *slog.Logger
	pause   backoff
	trouble trouble
	gap     Gap // that was told of, while the cursor is still before it
	ahead   Gap // that was told of, while the cursor is still ahead of the log

	attempted uint64 // how far this leadership may have flushed
	tookBack  bool   // the cursor, from ahead of the log

	rows int // asked of the outbox: FlushRowsMax, less while PostgreSQL is too slow
}

// Run copies the outbox to PostgreSQL until ctx ends, which is when this node stops leading
// the shard. It then returns nil, after its goroutines; a flush in flight is cut off, and
// whoever leads next finds out what became of it. It does not return because PostgreSQL or
// the outbox fails; it does, with an error, for a Stream that cannot have a cursor.
func (s *Sink) Run(ctx context.Context, st Stream, ob Outbox) error {
	if err := st.check(); err != nil {
		return fmt.Errorf("copy to PostgreSQL: %w", err)
	}
	logger := s.o.Logger.With("shard", st.Shard)
	r := &run{
		sink: s, stream: st, outbox: ob, logger: logger,
		pause:   backoff{min: s.o.BackoffMin, max: s.o.BackoffMax},
		trouble: trouble{logger: logger},
		rows:    s.o.FlushRowsMax,
	}
	if s.o.Retention > 0 && st.Shard == retentionShard {
		var retaining sync.WaitGroup
		retaining.Go(func() { s.retain(ctx, logger) })
		defer retaining.Wait()
	}
	for {
		err := r.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		r.fail(err)
		r.pause.wait(ctx)
	}
}

// session returns with the first failure, never with nil.
func (r *run) session(ctx context.Context) error {
	cursor, err := r.settle(ctx)
	if err != nil {
		return err
	}
	r.gap, r.ahead = Gap{}, Gap{}
	r.sink.watched.reached(r.stream, cursor)

	ctx, cancel := context.WithCancel(ctx)
	acks := newAcker(r.outbox, r.sink, r.logger)
	var acking, preparing sync.WaitGroup
	acking.Go(func() { acks.run(ctx) })
	defer acking.Wait()
	defer preparing.Wait()
	defer cancel()

	acks.flushed(cursor, 0)
	work, err := r.prepare(ctx, cursor, r.rows)
	for {
		if err == errIdle {
			if err := r.stillThere(ctx, cursor); err != nil {
				return err
			}
			work, err = r.prepare(ctx, cursor, r.rows)
			continue
		}
		if err != nil {
			return err
		}
		// While PostgreSQL works on a large batch, the next one is made ready. With a
		// small one there is no hurry: the next grows meanwhile, in the outbox.
		var next prepared
		after, rows := work.batch.Index, r.rows
		prepare := func() { next, err = r.prepare(ctx, after, rows) }
		ahead := len(work.batch.Rows) >= rows/2
		if ahead {
			preparing.Go(prepare)
		}
		if err := r.flush(ctx, cursor, work, ahead); err != nil {
			return err
		}
		cursor = after
		acks.flushed(cursor, len(work.batch.Rows))
		if !ahead {
			prepare()
		}
		preparing.Wait()
		work = next
	}
}

// prepared is a batch with its effect.
type prepared struct {
	batch  Batch
	effect folded
}

// prepare takes a batch that follows the cursor and computes its effect.
func (r *run) prepare(ctx context.Context, cursor uint64, rowsMax int) (prepared, error) {
	batch, err := r.next(ctx, cursor, rowsMax)
	if err != nil {
		return prepared{}, err
	}
	effect, err := fold(batch.Rows)
	return prepared{batch, effect}, err
}

// next takes a batch from the outbox and makes sure that it follows the cursor without a
// hole: entries may have left the outbox, so what has is looked at after the batch was
// taken.
func (r *run) next(ctx context.Context, cursor uint64, rowsMax int) (Batch, error) {
	waiting, cancel := context.WithTimeout(ctx, r.sink.o.IdleCheck)
	defer cancel()
	batch, err := r.outbox.Next(waiting, cursor, rowsMax)
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		return Batch{}, errIdle
	}
	if err != nil {
		return Batch{}, fmt.Errorf("%w: %w", errOutbox, err)
	}
	if batch.Index <= cursor || batch.Index > math.MaxInt64 {
		return Batch{}, fmt.Errorf("%w: asked for entries after %d, got some up to %d", errOutbox, cursor, batch.Index)
	}
	if r.outbox.Dropped() > cursor {
		return Batch{}, errTrimmed
	}
	return batch, nil
}

// stillThere makes sure that PostgreSQL is, and has not been set back, while there is
// nothing to flush.
func (r *run) stillThere(ctx context.Context, cursor uint64) error {
	found, err := r.readCursor(ctx)
	switch {
	case err != nil:
		return err
	case found != cursor:
		return errFenced
	}
	r.sink.watched.reached(r.stream, cursor)
	r.trouble.over()
	return nil
}

func (r *run) flush(ctx context.Context, cursor uint64, work prepared, hurry bool) error {
	begun := time.Now()
	before := r.attempted
	r.attempted = max(before, work.batch.Index)
	refused, err := r.sink.write(ctx, flush{stream: r.stream, from: cursor, to: work.batch.Index, work: work.effect, hurry: hurry})
	if err != nil {
		if errors.Is(err, errFenced) {
			r.attempted = before // nothing took effect, nor will it
		}
		return err
	}
	r.sink.watched.flushed(r.stream, work.batch, refused, time.Since(begun))
	r.trouble.over()
	r.pause.reset()
	r.rows = min(r.rows+max(1, r.sink.o.FlushRowsMax/growthSteps), r.sink.o.FlushRowsMax)
	return nil
}

// fail draws the conclusions from a session's end.
func (r *run) fail(err error) {
	r.sink.watched.failed(err)
	switch {
	case errors.Is(err, errFenced), errors.Is(err, errTrimmed):
		r.logger.Info("the cursor is not where it was left; reading it again", "reason", err)
		return
	case schemaMissing(err):
		r.sink.schema.forget()
	case tooSlow(err):
		r.rows = max(r.rows/2, min(flushRowsMin, r.sink.o.FlushRowsMax))
	}
	// What took one connection likely took the others; and one that survives may lead to
	// a server that has become a read-only standby.
	if !errors.Is(err, errOutbox) {
		r.sink.pool.Reset()
	}
	r.trouble.note(err)
}

// trouble logs a lasting failure when it begins, once a minute, and when it is over.
type trouble struct {
	logger   *slog.Logger
	since    time.Time // zero: none
	logged   time.Time
	failures int
}

func (t *trouble) note(err error) {
	now := time.Now()
	if t.since.IsZero() {
		t.since = now
	}
	t.failures++
	if now.Sub(t.logged) < time.Minute {
		return
	}
	t.logged = now
	t.logger.Warn("PostgreSQL does not take the outbox; trying again", "error", err,
		"failures", t.failures, "since", t.since.Format(time.RFC3339))
}

func (t *trouble) over() {
	if t.since.IsZero() {
		return
	}
	t.logger.Info("PostgreSQL takes the outbox again", "after", time.Since(t.since).Round(time.Millisecond), "failures", t.failures)
	*t = trouble{logger: t.logger}
}
