package pgsink

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// TestModel: random entries flow while leaders come, go and overlap. At any time an
// acknowledgement is covered by PostgreSQL's cursor; in the end the rows are the model's.
func TestModel(t *testing.T) {
	for seed := uint64(1); seed <= 3; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			url := newDatabase(t)
			runModel(t, seed, url, url)
		})
	}
}

// runModel has the Sinks write to sinkURL, and looks at the same database at url.
func runModel(t *testing.T, seed uint64, url, sinkURL string) {
	outbox, model := newLog(seed), memberships{}
	outbox.ackHook = ackedAtMostCursor(t, url, testStream)
	nodes := [2]*Sink{}
	for i := range nodes {
		o := impatient(t)
		o.FlushRowsMax = 40
		nodes[i] = mustOpen(t, sinkURL, o)
	}

	draw := rand.New(rand.NewPCG(seed, 7))
	ctx, cancel := context.WithTimeout(t.Context(), testMax)
	defer cancel()
	var leaders sync.WaitGroup
	for i, node := range nodes {
		leaders.Go(func() { comeAndGo(ctx, t, node, outbox, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	for range 600 {
		rows := randomRows(draw, 1+draw.IntN(12))
		model.apply(rows)
		outbox.append(rows...)
		if draw.IntN(8) == 0 {
			time.Sleep(time.Duration(draw.IntN(10)) * time.Millisecond) // so that leaders catch up now and then
		}
	}
	eventually(t, "everything is acknowledged", outbox.isDrained)
	cancel()
	leaders.Wait()

	requireEqual(t, usersTable(t, url), model)
	if got := cursorOf(t, url, testStream); got != outbox.last {
		t.Fatalf("cursor %d, want %d", got, outbox.last)
	}
	var fenced, gaps uint64
	for _, node := range nodes {
		status := node.Status()
		fenced += status.Fenced
		if status.Streams[0].Gap != nil {
			gaps++
		}
	}
	if fenced == 0 {
		t.Error("no leader was ever fenced: the test did not test that")
	}
	if gaps > 0 {
		t.Error("a gap was reported although PostgreSQL was never set back")
	}
}

// comeAndGo leads again and again, mostly for a moment, sometimes long enough to get far
// even on a busy machine.
func comeAndGo(ctx context.Context, t *testing.T, s *Sink, ob Outbox, draw *rand.Rand) {
	for ctx.Err() == nil {
		length := time.Duration(5+draw.IntN(80)) * time.Millisecond
		if draw.IntN(4) == 0 {
			length *= 8
		}
		term, cancel := context.WithTimeout(ctx, length)
		if err := s.Run(term, testStream, ob); err != nil {
			t.Errorf("Run: %v", err)
		}
		cancel()
	}
}

// ackedAtMostCursor asks PostgreSQL at each acknowledgement whether it is true.
func ackedAtMostCursor(t *testing.T, url string, st Stream) func(context.Context, uint64) error {
	t.Helper()
	pool, err := pgxpool.New(soon(t), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return func(ctx context.Context, index uint64) error {
		var cursor int64
		err := pool.QueryRow(ctx, `SELECT index FROM headcount_cursor WHERE incarnation = $1 AND shard = $2`,
			st.Incarnation, int32(st.Shard)).Scan(&cursor)
		if err == nil && uint64(cursor) < index {
			t.Errorf("acknowledged %d, PostgreSQL is at %d", index, cursor)
		}
		return err
	}
}

func TestStreamsDoNotMeet(t *testing.T) {
	url := newDatabase(t)
	o := impatient(t)
	o.Shards = 4
	s := mustOpen(t, url, o)
	model, outboxes := memberships{}, make([]*log, o.Shards)
	for shard := range outboxes {
		outbox := newLog(uint64(shard))
		outboxes[shard] = outbox
		for i := range 200 {
			row := put(fmt.Sprintf("user-%d-%d", shard, i%50), "s", int64(i))
			model.apply([]Row{row})
			outbox.append(row)
		}
		lead(t, s, Stream{"2f6c", uint32(shard)}, outbox)
	}
	for _, outbox := range outboxes {
		eventually(t, "the outbox drained", outbox.isDrained)
	}
	requireEqual(t, usersTable(t, url), model)
	status := s.Status()
	if len(status.Streams) != o.Shards || status.RowsFlushed != 800 {
		t.Fatalf("status: %+v", status)
	}
	for shard, stream := range status.Streams {
		if want := outboxes[shard].last; stream.Shard != uint32(shard) || stream.Cursor != want {
			t.Errorf("%+v, want shard %d at %d", stream, shard, want)
		}
	}
}
