package pgsink

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	neturl "net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestOpenRefusesWhatIsNoURLAndKeepsThePassword(t *testing.T) {
	_, err := Open("postgres://user:geheim@host:port/x", Options{})
	if err == nil || strings.Contains(err.Error(), "geheim") {
		t.Fatalf("open: %v", err)
	}
}

func TestRunRefusesAStreamWithoutCursor(t *testing.T) {
	s := mustOpen(t, shared.URL(), Options{})
	for _, st := range []Stream{{}, {Incarnation: "\xff"}, {Incarnation: "2f6c", Shard: 1 << 31}} {
		if err := s.Run(t.Context(), st, newLog(1)); err == nil {
			t.Errorf("%+v was taken", st)
		}
	}
}

// TestConnectionsAreBoundAndLimited as PostgreSQL sees them; what the URL says goes before.
func TestConnectionsAreBoundAndLimited(t *testing.T) {
	o := Options{Shards: 5, LockTimeout: 3 * time.Second}
	s := mustOpen(t, shared.URL()+"&statement_timeout=7s&pool_max_conns=77", o)
	if got := s.pool.Config().MaxConns; got != 7 {
		t.Errorf("%d connections at most, want shards + 2", got)
	}
	for name, want := range map[string]string{
		"lock_timeout": "3s", "statement_timeout": "7s", "idle_in_transaction_session_timeout": "30s",
		"application_name": "headcount", "default_transaction_isolation": "read committed",
	} {
		var got string
		if err := s.pool.QueryRow(soon(t), "SHOW "+name).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %q (%v), want %q", name, got, err, want)
		}
	}
}

func TestStatusAndMetrics(t *testing.T) {
	o := impatient(t)
	o.Shards = 1
	s, outbox := mustOpen(t, newDatabase(t), o), newLog(1)
	lead(t, s, testStream, outbox)
	outbox.append(put("u", "s", 1), put("nul\x00", "s", 1))
	eventually(t, "the outbox drained", outbox.isDrained)

	status := s.Status()
	if time.Since(status.LastFlush) > testMax {
		t.Errorf("last flush at %s", status.LastFlush)
	}
	status.LastFlush = time.Time{}
	text, err := json.Marshal(status)
	want := fmt.Sprintf(`{"reachable":true,"rowsFlushed":1,"flushes":1,"errors":0,"fenced":0,"quarantined":1,`+
		`"streams":[{"incarnation":"2f6c","shard":3,"cursor":%d}]}`, outbox.last)
	if err != nil || string(text) != want {
		t.Errorf("status: %s (%v)\nwant: %s", text, err, want)
	}

	var out bytes.Buffer
	s.WriteMetrics(&out)
	for _, line := range []string{
		"headcount_postgres_reachable 1",
		"headcount_postgres_rows_flushed_total 1",
		"headcount_postgres_flushes_total 1",
		"headcount_postgres_quarantined_rows_total 1",
		"headcount_postgres_errors_total 0",
		"headcount_postgres_acks_total 1",
		"headcount_postgres_connections_max 3",
		fmt.Sprintf("headcount_postgres_cursor{shard=\"3\"} %d", outbox.last),
	} {
		if !strings.Contains("\n"+out.String(), "\n"+line+"\n") {
			t.Errorf("metrics lack %q:\n%s", line, out.String())
		}
	}
}

// TestRoleThatMayNotMigrate needs no more than docs/POSTGRES.md says.
func TestRoleThatMayNotMigrate(t *testing.T) {
	url := newDatabase(t)
	mustMigrate(t, url)
	as := mustParseURL(t, url)
	role := "copier_to_" + as.Path[1:]
	execute(t, url, strings.ReplaceAll(`
CREATE ROLE copier LOGIN PASSWORD 'p';
GRANT SELECT, INSERT, UPDATE, DELETE ON users, headcount_cursor, quarantine TO copier;
GRANT SELECT ON headcount_schema TO copier`, "copier", role))
	as.User = neturl.UserPassword(role, "p")
	s, outbox := mustOpen(t, as.String(), impatient(t)), newLog(1)
	lead(t, s, testStream, outbox)
	outbox.append(put("u", "s", 1), put("nul\x00", "s", 1), end("v", "s"), erase("w"))
	eventually(t, "the outbox drained", outbox.isDrained)
	if status := s.Status(); status.Errors != 0 || status.Quarantined != 1 {
		t.Errorf("status: %+v", status)
	}
}

// warnings collects what is logged.
type warnings struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *warnings) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *warnings) contain(part string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Contains(w.text.String(), part)
}

func TestLooseCommitIsWarnedOf(t *testing.T) {
	logged, o := &warnings{}, impatient(t)
	o.Logger = slog.New(slog.NewTextHandler(logged, nil))
	s := mustOpen(t, newDatabase(t)+"&synchronous_commit=off", o)
	lead(t, s, testStream, newLog(1))
	eventually(t, "the warning", func() bool { return logged.contain("synchronous_commit=off") })
}

// TestTooSlowForLargeBatches: PostgreSQL takes smaller ones.
func TestTooSlowForLargeBatches(t *testing.T) {
	url := newDatabase(t)
	mustMigrate(t, url)
	execute(t, url, `
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION slow()`)
	o := impatient(t)
	o.FlushRowsMax, o.StatementTimeout = 480, 400*time.Millisecond
	s, outbox, model := mustOpen(t, url, o), newLog(1), memberships{}
	for i := range 8 {
		rows := make([]Row, 60)
		for j := range rows {
			rows[j] = put(fmt.Sprintf("user-%d-%d", i, j), "s", 1)
		}
		model.apply(rows)
		outbox.append(rows...)
	}
	outbox.entriesMax = 8
	lead(t, s, testStream, outbox)
	eventually(t, "the outbox drained", outbox.isDrained)
	requireEqual(t, usersTable(t, url), model)
	if status := s.Status(); status.Errors == 0 || status.Flushes < 2 {
		t.Errorf("nothing was too slow: %+v", status)
	}
}

// BenchmarkFlush: rows per second into a table that has them already, and into a new one.
func BenchmarkFlush(b *testing.B) {
	for _, name := range []string{"new", "renewed"} {
		b.Run(name, func(b *testing.B) {
			execute(b, shared.URL(), `DROP TABLE IF EXISTS users, headcount_cursor, quarantine, headcount_schema`)
			execute(b, shared.URL(), `DROP FUNCTION IF EXISTS headcount_advance`)
			s := mustOpen(b, shared.URL(), Options{})
			const rowsEach = 5_000
			if err := MigrateUp(b.Context(), shared.URL()); err != nil {
				b.Fatal(err)
			}
			execute(b, shared.URL(), `INSERT INTO headcount_cursor VALUES ('bench', 0, 0)`)
			batch := make([]Row, rowsEach)
			for n := uint64(0); b.Loop(); n++ {
				for i := range batch {
					user := i
					if name == "new" {
						user += int(n) * rowsEach
					}
					batch[i] = put(fmt.Sprintf("user-%d", user), "s", int64(n))
				}
				work, err := fold(batch)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := s.write(b.Context(), flush{Stream{"bench", 0}, n, n + 1, work, true}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*rowsEach)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// asked notes up to where the entries are that its reader has had.
type asked struct {
	*log
	after atomic.Uint64
}

func (a *asked) Next(ctx context.Context, after uint64, rowsMax int) (Batch, error) {
	a.after.Store(after)
	return a.log.Next(ctx, after, rowsMax)
}

// TestTheNextBatchIsMadeReadyMeanwhile: while PostgreSQL works on a large one, and only then.
func TestTheNextBatchIsMadeReadyMeanwhile(t *testing.T) {
	for _, rowsMax := range []int{4, 100} {
		url := newDatabase(t)
		mustMigrate(t, url)
		o := impatient(t)
		o.FlushRowsMax = rowsMax
		s, outbox := mustOpen(t, url, o), &asked{log: newLog(1)}
		outbox.entriesMax = 1
		var indexes []uint64
		for i := range 4 {
			name := fmt.Sprint("u", i)
			indexes = append(indexes, outbox.append(put(name, "a", 1), put(name, "b", 1)))
		}
		conn := connect(t, url)
		if _, err := conn.Exec(soon(t), `BEGIN; LOCK TABLE users`); err != nil {
			t.Fatal(err)
		}
		lead(t, s, testStream, outbox)
		eventually(t, "a flush waits for the lock", func() bool {
			return query[int](t, url, `SELECT count(*) FROM pg_locks WHERE relation = 'users'::regclass AND NOT granted`) > 0
		})
		if rowsMax == 4 {
			eventually(t, "the second batch was asked for", func() bool { return outbox.after.Load() == indexes[0] })
		} else if after := outbox.after.Load(); after != 0 {
			t.Errorf("after a small batch, entries after %d were asked for before it was written", after)
		}
		_ = conn.Close(soon(t))
		eventually(t, "the outbox drained", outbox.isDrained)
		if rows := query[int](t, url, `SELECT count(*) FROM users`); rows != 8 {
			t.Errorf("%d rows of 8", rows)
		}
	}
}

// TestFlushInPieces: without hurry there are several statements with pauses between them,
// all or nothing of which can be seen; in a hurry there is one.
func TestFlushInPieces(t *testing.T) {
	url := newDatabase(t)
	mustMigrate(t, url)
	s := mustOpen(t, url, Options{PieceRows: 3, PiecePause: 100 * time.Millisecond})
	execute(t, url, `INSERT INTO headcount_cursor (incarnation, shard, index) VALUES ('pieces', 0, 0)`)
	conn := connect(t, url)
	// How many rows of a segment can be seen, of how many statements of a transaction.
	look := func(segment string) (rows, statements int) {
		err := conn.QueryRow(soon(t), `SELECT count(*), count(DISTINCT cmin::text) FROM users WHERE segment = $1`, segment).Scan(&rows, &statements)
		if err != nil {
			t.Fatal(err)
		}
		return rows, statements
	}
	for i, c := range []struct {
		segment    string
		hurry      bool
		statements int
	}{{"slow", false, 4}, {"fast", true, 1}} {
		batch := make([]Row, 10)
		for user := range batch {
			batch[user] = put(fmt.Sprint("u", user), c.segment, 1)
		}
		work, err := fold(batch)
		if err != nil {
			t.Fatal(err)
		}
		written := make(chan error, 1)
		began := time.Now()
		go func() {
			_, err := s.write(t.Context(), flush{Stream{"pieces", 0}, uint64(i), uint64(i + 1), work, c.hurry})
			written <- err
		}()
		for done := false; !done; {
			select {
			case err := <-written:
				if done = true; err != nil {
					t.Fatal(err)
				}
			case <-time.After(10 * time.Millisecond):
			}
			if rows, _ := look(c.segment); rows != 0 && rows != len(batch) {
				t.Errorf("%s: %d of %d rows can be seen", c.segment, rows, len(batch))
			}
		}
		if took := time.Since(began); !c.hurry && took < 300*time.Millisecond {
			t.Errorf("four pieces took %s, less than the three pauses between them", took)
		}
		if rows, statements := look(c.segment); rows != len(batch) || statements != c.statements {
			t.Errorf("%s: %d rows by %d statements, want %d by %d", c.segment, rows, statements, len(batch), c.statements)
		}
	}
}

func TestPieces(t *testing.T) {
	for n := range 8 {
		var whole, joined rows
		for i := range n {
			whole.ids = append(whole.ids, fmt.Sprint("u", i))
			whole.segments = append(whole.segments, fmt.Sprint("s", i))
			whole.expiries = append(whole.expiries, int64(i))
		}
		whole.op = OpPut
		for _, piece := range whole.pieces(3) {
			if piece.len() > 3 || piece.op != OpPut {
				t.Errorf("a piece of %d rows, op %d", piece.len(), piece.op)
			}
			joined.ids = append(joined.ids, piece.ids...)
			joined.segments = append(joined.segments, piece.segments...)
			joined.expiries = append(joined.expiries, piece.expiries...)
		}
		joined.op = OpPut
		if fmt.Sprint(joined) != fmt.Sprint(whole) {
			t.Errorf("pieces of %v are %v", whole, joined)
		}
	}
}
