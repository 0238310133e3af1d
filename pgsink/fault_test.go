package pgsink

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"headcount/pglocal"
	"headcount/pglocal/pgproxy"
)

// audit counts every change of a row: an effect that came twice shows, even where the
// rows in the end are the same.
const audit = `
CREATE TABLE audit (op text, id text);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit VALUES (TG_OP, coalesce(NEW.id, OLD.id));
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION audit()`

// TestConnectionCutAtCommit: the flush has an unknown outcome, and takes effect once.
func TestConnectionCutAtCommit(t *testing.T) {
	for name, harm := range map[string]*pgproxy.Harm{
		"before the commit":                    {},
		"after the commit":                     {Answered: true},
		"before the commit, with rows refused": {AtCommit: true},
		"after the commit, with rows refused":  {AtCommit: true, Answered: true},
	} {
		t.Run(name, func(t *testing.T) {
			direct := newDatabase(t)
			mustMigrate(t, direct)
			execute(t, direct, audit)
			execute(t, direct, `ALTER TABLE users ADD CHECK (id <> 'refused')`)
			harm.Mark = []byte("cut-me")
			p, through := newProxy(t, direct)
			p.Arm(harm)
			s, outbox := mustOpen(t, through, impatient(t)), newLog(1)
			lead(t, s, testStream, outbox)

			outbox.append(put("cut-me", "s", 100))
			eventually(t, "the first flush is through", outbox.isDrained)
			if !harm.AtCommit && p.Done() != 1 {
				t.Fatal("the connection was not cut")
			}
			// Delete and put: done twice, they leave the same row, and two more lines in the audit.
			batch := []Row{end("cut-me", "s"), put("cut-me", "s", 50)}
			want := memberships{{"cut-me", "s"}: 50}
			if harm.AtCommit {
				batch = append(batch, put("refused", "s", 1))
			}
			outbox.append(batch...)
			eventually(t, "the second flush is through", outbox.isDrained)
			if p.Done() != 1 {
				t.Fatal("the connection was not cut")
			}
			requireEqual(t, usersTable(t, direct), want)
			if got := query[string](t, direct, `SELECT string_agg(op, ' ') FROM audit WHERE id = 'cut-me'`); got != "INSERT DELETE INSERT" {
				t.Errorf("PostgreSQL saw %q", got)
			}
			if harm.AtCommit {
				if rows := query[int64](t, direct, `SELECT count(*) FROM quarantine`); rows != 1 {
					t.Errorf("%d rows in quarantine, want 1", rows)
				}
			}
			if got := cursorOf(t, direct, testStream); got != outbox.last {
				t.Errorf("cursor %d, want %d", got, outbox.last)
			}
			if s.Status().Errors == 0 || s.Status().Streams[0].Gap != nil {
				t.Errorf("status: %+v", s.Status())
			}
		})
	}
}

// TestPostmasterKilled: kill -9 of PostgreSQL in the middle of the load, several times.
func TestPostmasterKilled(t *testing.T) {
	dir, err := reachableDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	own := pglocal.Options{Dir: filepath.Join(dir, "postgres")}
	server := mustStart(t, own)
	url := server.URL()
	own.Port = portOf(t, url)

	o := impatient(t)
	o.FlushRowsMax = 100
	s, outbox := mustOpen(t, url, o), newLog(9)
	lead(t, s, testStream, outbox)
	model, stopLoad := steadyLoad(outbox)
	defer stopLoad()
	for range 3 {
		before := s.Status().Flushes
		eventually(t, "flushes are under way", func() bool { return s.Status().Flushes >= before+5 })
		server.Kill()
		eventually(t, "the outage is noticed", func() bool { return !s.Status().Reachable })
		server = mustStart(t, own)
	}
	stopLoad()
	eventually(t, "the outbox drained", outbox.isDrained)
	requireEqual(t, usersTable(t, url), model)
	status := s.Status()
	if !status.Reachable || status.Errors < 3 || status.Streams[0].Gap != nil {
		t.Fatalf("status: %+v", status)
	}
}

// steadyLoad keeps the outbox from running empty until stop; then the model is complete.
func steadyLoad(outbox *log) (model memberships, stop func()) {
	const entriesMax = 300
	model = memberships{}
	ctx, cancel := context.WithCancel(context.Background())
	var loading sync.WaitGroup
	loading.Go(func() {
		draw := rand.New(rand.NewPCG(9, 9))
		for ctx.Err() == nil {
			if outbox.length() >= entriesMax {
				time.Sleep(time.Millisecond)
				continue
			}
			rows := randomRows(draw, 1+draw.IntN(20))
			model.apply(rows)
			outbox.append(rows...)
		}
	})
	return model, func() {
		cancel()
		loading.Wait()
	}
}

func mustStart(t *testing.T, o pglocal.Options) *pglocal.Server {
	t.Helper()
	server, err := pglocal.Start(soon(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

func portOf(t *testing.T, url string) int {
	t.Helper()
	port, err := strconv.Atoi(mustParseURL(t, url).Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestPostgresDownAtTheStart: Run waits, leaves when told to, and catches up later.
func TestPostgresDownAtTheStart(t *testing.T) {
	direct := newDatabase(t)
	through := mustParseURL(t, direct)
	target := through.Host
	p := mustListen(t, "127.0.0.1:0", target)
	p.Close()
	through.Host = p.Address()

	s, outbox := mustOpen(t, through.String(), impatient(t)), newLog(1)
	outbox.append(put("u", "s", 5))
	stop := lead(t, s, testStream, outbox)
	eventually(t, "it has tried a few times", func() bool { return s.Status().Errors >= 3 })
	if status := s.Status(); status.Reachable || status.LastError == "" {
		t.Fatalf("status: %+v", status)
	}
	begun := time.Now()
	stop()
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("Run took %s to return", took)
	}

	lead(t, s, testStream, outbox)
	mustListen(t, through.Host, target)
	eventually(t, "the outbox drained", outbox.isDrained)
	requireEqual(t, usersTable(t, direct), memberships{{"u", "s"}: 5})
}

// TestDatabaseSetBack: PostgreSQL is behind what was acknowledged.
func TestDatabaseSetBack(t *testing.T) {
	url := newDatabase(t)
	s, outbox := mustOpen(t, url, impatient(t)), newLog(1)
	stop := lead(t, s, testStream, outbox)
	outbox.append(put("kept", "s", 1))
	eventually(t, "the outbox drained", outbox.isDrained)
	backup := cursorOf(t, url, testStream)
	for i := range 5 {
		outbox.append(put(fmt.Sprintf("lost-%d", i), "s", 1))
	}
	eventually(t, "the outbox drained", outbox.isDrained)
	stop()
	execute(t, url, `DELETE FROM users WHERE id LIKE 'lost%'`)
	execute(t, url, `UPDATE headcount_cursor SET index = $1`, int64(backup))

	acked := outbox.Acked()
	outbox.append(put("later", "s", 2))
	lead(t, s, testStream, outbox)
	eventually(t, "the outbox drained", outbox.isDrained)
	requireEqual(t, usersTable(t, url), memberships{{"kept", "s"}: 1, {"later", "s"}: 2})
	if gap := s.Status().Streams[0].Gap; gap == nil || *gap != (Gap{From: backup, To: acked}) {
		t.Fatalf("gap %+v, want %d to %d", gap, backup, acked)
	}
}

// TestGapIsToldOfWhateverBecomesOfItsCommit: the cursor is over the gap then, and nothing
// else knows of it. Set back to the same place again, PostgreSQL has a gap again.
func TestGapIsToldOfWhateverBecomesOfItsCommit(t *testing.T) {
	direct := newDatabase(t)
	p, through := newProxy(t, direct)
	outbox := newLog(1)
	before := mustOpen(t, direct, impatient(t))
	stop := lead(t, before, testStream, outbox)
	outbox.append(put("lost", "s", 1))
	eventually(t, "the outbox drained", outbox.isDrained)
	stop()

	// The last two parameters of sqlAdvance, two bigints: from where to where.
	mark := binary.BigEndian.AppendUint32(nil, 8)
	mark = binary.BigEndian.AppendUint64(mark, 0)
	mark = binary.BigEndian.AppendUint32(mark, 8)
	mark = binary.BigEndian.AppendUint64(mark, outbox.last)
	p.Arm(&pgproxy.Harm{Mark: mark, Answered: true})
	o := impatient(t)
	o.IdleCheck = 20 * time.Millisecond
	s := mustOpen(t, through, o)
	for gaps := uint64(1); gaps <= 2; gaps++ {
		execute(t, direct, `WITH gone AS (DELETE FROM users) UPDATE headcount_cursor SET index = 0`)
		if gaps == 1 {
			lead(t, s, testStream, outbox)
		}
		eventually(t, "the cursor is over the gap", func() bool { return cursorOf(t, direct, testStream) == outbox.last })
		eventually(t, "the gap is told of", func() bool { return s.watched.gaps.Get() >= gaps })
		if got := s.watched.gaps.Get(); got != gaps {
			t.Errorf("%d gaps are counted, want %d", got, gaps)
		}
		if gap := s.Status().Streams[0].Gap; gap == nil || *gap != (Gap{From: 0, To: outbox.last}) {
			t.Errorf("gap %+v, want 0 to %d", gap, outbox.last)
		}
		eventually(t, "the sink goes on behind it", func() bool { return s.Status().Streams[0].Cursor == outbox.last })
	}
	if p.Done() != 1 {
		t.Error("the connection was not cut")
	}
}

// TestDatabaseSetBackIsFilledAgain from what the outbox has kept: all that was lost, and
// deletions in their place; and where that does not reach back, the gap is what is missing.
func TestDatabaseSetBackIsFilledAgain(t *testing.T) {
	for _, window := range []int{1000, 4, 0} {
		t.Run(fmt.Sprintf("%d entries kept", window), func(t *testing.T) {
			url := newDatabase(t)
			s, outbox := mustOpen(t, url, impatient(t)), newLog(1)
			outbox.window = window
			stop := lead(t, s, testStream, outbox)
			model := memberships{}
			write := func(rows ...Row) uint64 {
				model.apply(rows)
				return outbox.append(rows...)
			}
			write(put("kept", "s", 1), put("ended later", "s", 5))
			eventually(t, "the outbox drained", outbox.isDrained)
			backup := cursorOf(t, url, testStream)
			var indexes []uint64
			for i := range 8 {
				indexes = append(indexes, write(put(fmt.Sprintf("lost-%d", i), "s", 1)))
			}
			last := write(end("ended later", "s"))
			eventually(t, "the outbox drained", outbox.isDrained)
			stop()
			execute(t, url, `DELETE FROM users WHERE id LIKE 'lost%'`)
			execute(t, url, `INSERT INTO users (id, segment, expired_segment) VALUES ('ended later', 's', to_timestamp(5))`)
			execute(t, url, `UPDATE headcount_cursor SET index = $1`, int64(backup))

			write(put("later", "s", 2))
			lead(t, s, testStream, outbox)
			eventually(t, "the outbox drained", outbox.isDrained)
			eventually(t, "the cursor is at the end", func() bool { return cursorOf(t, url, testStream) == outbox.last })
			status := s.Status().Streams[0]
			switch window {
			case 1000:
				requireEqual(t, usersTable(t, url), model)
				if status.Gap != nil {
					t.Errorf("a gap %+v, although everything was kept", status.Gap)
				}
			case 4: // the deletion, and the last three of those that were lost
				for i := range 5 {
					delete(model, membership{fmt.Sprintf("lost-%d", i), "s"})
				}
				requireEqual(t, usersTable(t, url), model)
				if status.Gap == nil || *status.Gap != (Gap{From: backup, To: indexes[4]}) {
					t.Errorf("gap %+v, want %d to %d", status.Gap, backup, indexes[4])
				}
			case 0:
				if status.Gap == nil || *status.Gap != (Gap{From: backup, To: last}) {
					t.Errorf("gap %+v, want %d to %d", status.Gap, backup, last)
				}
			}
		})
	}
}

// TestDatabaseSetBackWhileIdle: nobody writes, and what was lost is there again all the same.
func TestDatabaseSetBackWhileIdle(t *testing.T) {
	url := newDatabase(t)
	o := impatient(t)
	o.IdleCheck = 20 * time.Millisecond
	s, outbox := mustOpen(t, url, o), newLog(1)
	outbox.window = 10
	lead(t, s, testStream, outbox)
	outbox.append(put("lost", "s", 1))
	eventually(t, "the outbox drained", outbox.isDrained)
	execute(t, url, `WITH gone AS (DELETE FROM users) UPDATE headcount_cursor SET index = 0`)
	eventually(t, "the row is there again", func() bool {
		return query[int64](t, url, `SELECT count(*) FROM users`) == 1
	})
	if gap := s.Status().Streams[0].Gap; gap != nil {
		t.Errorf("gap %+v", gap)
	}
}

// TestDatabaseReplacedUnderWay: tables and cursor vanish while the leader flushes.
func TestDatabaseReplacedUnderWay(t *testing.T) {
	url := newDatabase(t)
	s, outbox := mustOpen(t, url, impatient(t)), newLog(1)
	lead(t, s, testStream, outbox)
	outbox.append(put("lost", "s", 1))
	eventually(t, "the outbox drained", outbox.isDrained)
	acked := outbox.Acked()
	if err := MigrateDown(soon(t), url, 1000); err != nil {
		t.Fatal(err)
	}
	outbox.append(put("later", "s", 2))
	eventually(t, "the outbox drained", outbox.isDrained)
	requireEqual(t, usersTable(t, url), memberships{{"later", "s"}: 2})
	if gap := s.Status().Streams[0].Gap; gap == nil || *gap != (Gap{From: 0, To: acked}) {
		t.Fatalf("gap %+v, want 0 to %d", gap, acked)
	}
}

// TestCursorAhead: PostgreSQL committed what the last leader could not acknowledge.
func TestCursorAhead(t *testing.T) {
	url := newDatabase(t)
	outbox := newLog(1)
	first := mustOpen(t, url, impatient(t))
	outbox.ackHook = func(context.Context, uint64) error { return context.DeadlineExceeded }
	stop := lead(t, first, testStream, outbox)
	outbox.append(put("u", "s", 1), end("u", "r"))
	eventually(t, "the flush is through", func() bool { return first.Status().Flushes == 1 })
	stop()
	if outbox.Acked() != 0 {
		t.Fatal("acknowledged after all")
	}

	outbox.ackHook = nil
	second := mustOpen(t, url, impatient(t))
	lead(t, second, testStream, outbox)
	eventually(t, "the cursor is acknowledged", outbox.isDrained)
	if status := second.Status(); status.Flushes != 0 || status.Streams[0].Gap != nil || !status.Reachable {
		t.Fatalf("status: %+v", status)
	}
}

// setBack is a log as older disks have it, from the moment at which a leader begins on it.
type setBack struct {
	*log
	begin uint64
}

func (s setBack) Begin(context.Context) (uint64, error) { return s.begin, nil }

// TestClusterSetBack: PostgreSQL has entries of which the shard's log knows nothing. What the
// log has in their place goes there, and what PostgreSQL alone has stays.
func TestClusterSetBack(t *testing.T) {
	for name, newer := range map[string]int{"behind the cursor": 0, "that has grown beyond the cursor": 20} {
		t.Run("a log "+name, func(t *testing.T) {
			url := newDatabase(t)
			s, before := mustOpen(t, url, impatient(t)), newLog(1)
			stop := lead(t, s, testStream, before)
			history := [][]Row{
				{put("kept", "s", 1)},
				{end("of the future", "s")}, // and put again, in the future
				{put("ended in the future", "s", 5)},
			}
			for _, rows := range history {
				before.append(rows...)
			}
			eventually(t, "the outbox drained", before.isDrained)
			disk := cursorOf(t, url, testStream)
			before.append(put("of the future", "s", 3), end("ended in the future", "s"))
			before.append(put("of the future", "r", 3))
			eventually(t, "the outbox drained", before.isDrained)
			stop()

			future := cursorOf(t, url, testStream)
			after := newLog(1) // the same log again, as far as the disks have it
			after.window = len(history)
			for _, rows := range history {
				after.append(rows...)
			}
			after.trim(disk)
			if after.last != disk || after.dropped != 0 {
				t.Fatalf("the log on the disks goes from %d to %d, want 0 to %d", after.dropped, after.last, disk)
			}
			want := memberships{{"kept", "s"}: 1, {"of the future", "s"}: 3, {"of the future", "r"}: 3}
			write := func(id string) {
				want[membership{id, "s"}] = 4
				after.append(put(id, "s", 4))
			}
			for i := range newer {
				write(fmt.Sprintf("in its place %d", i))
			}
			lead(t, s, testStream, setBack{after, disk})
			write("afterwards")
			eventually(t, "the outbox drained", after.isDrained)
			eventually(t, "the cursor is at the end", func() bool { return cursorOf(t, url, testStream) == after.last })
			requireEqual(t, usersTable(t, url), want)
			status := s.Status().Streams[0]
			if status.Ahead == nil || *status.Ahead != (Gap{From: disk, To: future}) || status.Gap != nil {
				t.Errorf("status %+v, want ahead from %d to %d", status, disk, future)
			}
			if got := s.watched.setBacks.Get(); got != 1 {
				t.Errorf("counted %d times, want once", got)
			}
		})
	}
}

// TestALateFlushIsOurs: its COMMIT came after a shorter flush was tried in its place.
func TestALateFlushIsOurs(t *testing.T) {
	url := newDatabase(t)
	mustMigrate(t, url)
	s := mustOpen(t, url, impatient(t))
	outbox := newLog(1)
	for i := range 8 {
		outbox.append(put(fmt.Sprint(i), "s", 1))
	}
	r := &run{sink: s, stream: testStream, outbox: setBack{outbox, 0}, logger: s.o.Logger}
	if _, err := r.settle(soon(t)); err != nil {
		t.Fatal(err)
	}
	flush := func(ctx context.Context, to uint64) error {
		return r.flush(ctx, 0, prepared{batch: Batch{Index: to}}, true)
	}
	cut, cancel := context.WithCancel(t.Context())
	cancel()
	if err := flush(cut, outbox.last); err == nil {
		t.Fatal("a flush is done that was cut off")
	}
	execute(t, url, `UPDATE headcount_cursor SET index = $1`, int64(outbox.last)) // the late COMMIT
	if err := flush(soon(t), outbox.last-1); !errors.Is(err, errFenced) {
		t.Fatalf("%v, want that it is fenced", err)
	}
	if cursor, err := r.settle(soon(t)); err != nil || cursor != outbox.last || r.tookBack {
		t.Errorf("settled at %d, %v, taken back %v; want at %d, where our own late flush has put it", cursor, err, r.tookBack, outbox.last)
	}
}

// TestTheCursorIsTakenBackOnce: what moves it again is another cluster, whose rows would
// otherwise be overwritten for ever.
func TestTheCursorIsTakenBackOnce(t *testing.T) {
	url := newDatabase(t)
	o := impatient(t)
	o.IdleCheck = 20 * time.Millisecond
	s, outbox := mustOpen(t, url, o), newLog(1)
	mustMigrate(t, url)
	lead(t, s, testStream, setBack{outbox, 0})
	outbox.append(put("u", "s", 1))
	eventually(t, "the outbox drained", outbox.isDrained)
	const elsewhere = 1000
	execute(t, url, `UPDATE headcount_cursor SET index = $1`, int64(elsewhere))
	eventually(t, "it is taken back", func() bool { return cursorOf(t, url, testStream) == outbox.last })
	execute(t, url, `UPDATE headcount_cursor SET index = $1`, int64(elsewhere))
	outbox.append(put("v", "s", 1))
	eventually(t, "it is said why it is not", func() bool { return s.Status().LastError == errSetBackAgain.Error() })
	if got := cursorOf(t, url, testStream); got != elsewhere {
		t.Errorf("the cursor is at %d, want %d", got, elsewhere)
	}
}

// TestDeposedLeaderLeavesTheCursor where its successor has put it: it cannot tell that it is
// ahead of the log.
func TestDeposedLeaderLeavesTheCursor(t *testing.T) {
	url := newDatabase(t)
	s, outbox := mustOpen(t, url, impatient(t)), newLog(1)
	stop := lead(t, s, testStream, outbox)
	outbox.append(put("u", "s", 1))
	eventually(t, "the outbox drained", outbox.isDrained)
	stop()
	execute(t, url, `UPDATE headcount_cursor SET index = 1000`)
	failures := s.Status().Errors
	lead(t, s, testStream, deposed{outbox})
	eventually(t, "it has tried", func() bool { return s.Status().Errors >= failures+3 })
	if got := cursorOf(t, url, testStream); got != 1000 {
		t.Errorf("the cursor is at %d, want 1000", got)
	}
	if ahead := s.Status().Streams[0].Ahead; ahead != nil {
		t.Errorf("ahead %+v", ahead)
	}
}

// deposed is the outbox of a leader that no longer is.
type deposed struct{ *log }

func (deposed) Begin(context.Context) (uint64, error) { return 0, errors.New("not the leader") }
