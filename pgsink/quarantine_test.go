package pgsink

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// hostile makes PostgreSQL refuse rows in every way it knows.
const hostile = `
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(NEW.id, OLD.id) LIKE 'raise-%' THEN
        RAISE EXCEPTION 'no %', coalesce(NEW.id, OLD.id);
    END IF;
    IF TG_OP = 'DELETE' AND OLD.id LIKE 'sticky-%' THEN
        RAISE EXCEPTION 'stays';
    END IF;
    RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION refuse();

CREATE FUNCTION refuse_late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id LIKE 'late-%' THEN
        RAISE EXCEPTION 'too late' USING ERRCODE = '23514';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER refuse_late AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION refuse_late();

ALTER TABLE users ADD CHECK (id NOT LIKE 'check-%');
ALTER TABLE users ADD CHECK (length(id) < 5000)`

func quarantined(t *testing.T, url string) string {
	t.Helper()
	return query[string](t, url, `
SELECT coalesce(string_agg(op || ' ' || encode(id, 'escape') || ' ' || encode(segment, 'escape') || ' ' || coalesce(expiry::text, '-') || ' ' || sqlstate, E'\n'
  ORDER BY op, id), '') FROM quarantine`)
}

func requireQuarantine(t *testing.T, url, want string) {
	t.Helper()
	if got := quarantined(t, url); got != want {
		t.Fatalf("quarantine:\n%s\nwant:\n%s", got, want)
	}
}

// TestRefusedRowsDoNotBlockTheRest: one flush with bad rows of every kind among good ones.
func TestRefusedRowsDoNotBlockTheRest(t *testing.T) {
	url := newDatabase(t)
	mustMigrate(t, url)
	execute(t, url, hostile)
	s, outbox := mustOpen(t, url, impatient(t)), newLog(1)
	lead(t, s, testStream, outbox)

	model := memberships{}
	var batch []Row
	for i := range 300 {
		row := put(fmt.Sprintf("good-%d", i), "s", int64(i))
		batch = append(batch, row)
		model.apply([]Row{row})
	}
	batch = append(batch,
		put("raise-1", "s", 7),
		put("check-1", "s", 8),
		put("late-1", "s", 9),
		put("nul\x00", "s", 10),
		put("bytes\xff", "s", 11),
		put("far", "s", 1<<60),
		erase("nul\x00elsewhere"), // cannot be there: nothing to do, nothing to keep
	)
	outbox.append(batch...)
	eventually(t, "the outbox drained", outbox.isDrained)
	requireEqual(t, usersTable(t, url), model)
	requireQuarantine(t, url, `put bytes\377 s 11 22021
put check-1 s 8 23514
put far s 1152921504606846976 22008
put late-1 s 9 23514
put nul\000 s 10 22021
put raise-1 s 7 P0001`)
	if got := query[string](t, url, `SELECT DISTINCT incarnation || ' ' || shard || ' ' || index FROM quarantine`); got != fmt.Sprintf("2f6c 3 %d", outbox.last) {
		t.Errorf("where from: %q", got)
	}
	if got := query[string](t, url, `SELECT error FROM quarantine WHERE id = 'raise-1'`); got != "no raise-1" {
		t.Errorf("why: %q", got)
	}
	status := s.Status()
	if status.Quarantined != 6 || status.Errors != 0 || status.RowsFlushed != uint64(len(batch)-6) {
		t.Errorf("status: %+v", status)
	}
}

// TestErasedUserLeavesTheQuarantine, by bytes, and an ended membership does too.
func TestErasedUserLeavesTheQuarantine(t *testing.T) {
	url := newDatabase(t)
	mustMigrate(t, url)
	execute(t, url, hostile)
	s, outbox := mustOpen(t, url, impatient(t)), newLog(1)
	lead(t, s, testStream, outbox)
	flush := func(rows ...Row) {
		t.Helper()
		outbox.append(rows...)
		eventually(t, "the outbox drained", outbox.isDrained)
	}
	flush(put("raise-1", "r", 7), put("raise-1", "s", 7), put("raise-2", "s", 7), put("nul\x00", "s", 7), put("sticky-1", "s", 7))
	requireQuarantine(t, url, `put nul\000 s 7 22021
put raise-1 r 7 P0001
put raise-1 s 7 P0001
put raise-2 s 7 P0001`)

	flush(end("raise-1", "r"), erase("nul\x00"))
	requireQuarantine(t, url, "put raise-1 s 7 P0001\nput raise-2 s 7 P0001")

	// What the same flush refuses after the erase stays.
	flush(erase("raise-1"), put("raise-1", "q", 8))
	requireQuarantine(t, url, "put raise-1 q 8 P0001\nput raise-2 s 7 P0001")

	flush(erase("raise-1"), erase("raise-2"))
	requireQuarantine(t, url, "")

	// Deletions are refused as well; the user stays, and so does the wish.
	flush(end("sticky-1", "s"), put("good", "s", 1))
	requireQuarantine(t, url, "delete sticky-1 s - P0001")
	flush(erase("sticky-1"))
	requireQuarantine(t, url, "erase sticky-1  - P0001")
	requireEqual(t, usersTable(t, url), memberships{{"good", "s"}: 1, {"sticky-1", "s"}: 7})
	execute(t, url, `DROP TRIGGER refuse ON users`)
	flush(erase("sticky-1"))
	requireQuarantine(t, url, "")
	requireEqual(t, usersTable(t, url), memberships{{"good", "s"}: 1})
}

// putBack is what docs/POSTGRES.md tells to do once the cause is gone.
const putBack = `
WITH again AS (
    DELETE FROM quarantine WHERE op = 'put' AND sqlstate = 'P0001' RETURNING id, segment, expiry
)
INSERT INTO users AS u (id, segment, expired_segment)
SELECT convert_from(id, 'UTF8'), convert_from(segment, 'UTF8'), to_timestamp(max(expiry))
FROM again GROUP BY id, segment
ON CONFLICT (id, segment) DO UPDATE
SET expired_segment = GREATEST(u.expired_segment, excluded.expired_segment), updated_at = now()`

func TestQuarantinedRowsCanBePutBack(t *testing.T) {
	manual, err := os.ReadFile("../docs/POSTGRES.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(manual), strings.TrimSpace(putBack)) {
		t.Error("the manual says something else")
	}
	url := newDatabase(t)
	mustMigrate(t, url)
	execute(t, url, hostile)
	s, outbox := mustOpen(t, url, impatient(t)), newLog(1)
	lead(t, s, testStream, outbox)
	for _, expiry := range []int64{7, 9, 8} {
		outbox.append(put("raise-1", "ч", expiry))
	}
	eventually(t, "the outbox drained", outbox.isDrained)
	execute(t, url, `DROP TRIGGER refuse ON users`)
	execute(t, url, putBack)
	requireQuarantine(t, url, "")
	requireEqual(t, usersTable(t, url), memberships{{"raise-1", "ч"}: 9})
}

// TestEverythingRefused: even that gets through.
func TestEverythingRefused(t *testing.T) {
	url := newDatabase(t)
	mustMigrate(t, url)
	execute(t, url, hostile)
	s, outbox := mustOpen(t, url, impatient(t)), newLog(1)
	lead(t, s, testStream, outbox)
	var batch []Row
	for i := range 257 {
		batch = append(batch, put(fmt.Sprintf("raise-%03d", i), "s", int64(i)))
	}
	outbox.append(batch...)
	eventually(t, "the outbox drained", outbox.isDrained)
	if rows := query[int64](t, url, `SELECT count(DISTINCT id) FROM quarantine`); rows != 257 {
		t.Fatalf("%d rows in quarantine, want 257", rows)
	}
	requireEqual(t, usersTable(t, url), memberships{})
}

// TestTroubleIsNotRefusal: what is not about the data is tried again, never quarantined.
func TestTroubleIsNotRefusal(t *testing.T) {
	lock := func(t *testing.T, url string) (release func()) {
		conn := connect(t, url)
		if _, err := conn.Exec(soon(t), `BEGIN; LOCK TABLE users`); err != nil {
			t.Fatal(err)
		}
		return func() { _ = conn.Close(soon(t)) }
	}
	readOnly := func(t *testing.T, url string) (release func()) {
		set := `ALTER DATABASE ` + mustParseURL(t, url).Path[1:] + ` SET default_transaction_read_only = `
		execute(t, url, set+`on`)
		return func() { execute(t, url+"&default_transaction_read_only=off", set+`off`) }
	}
	brokenTrigger := func(t *testing.T, url string) (release func()) {
		execute(t, url, `
CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN no_such_thing(); END $$;
CREATE TRIGGER broken BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION broken()`)
		return func() { execute(t, url, `DROP TRIGGER broken ON users`) }
	}
	for name, trouble := range map[string]func(*testing.T, string) func(){
		"table locked": lock, "read only": readOnly, "broken trigger": brokenTrigger,
	} {
		t.Run(name, func(t *testing.T) {
			url := newDatabase(t)
			mustMigrate(t, url)
			o := impatient(t)
			o.LockTimeout = 20 * time.Millisecond
			s, outbox := mustOpen(t, url, o), newLog(1)
			lead(t, s, testStream, outbox)
			outbox.append(put("before", "s", 1))
			eventually(t, "the outbox drained", outbox.isDrained)

			release := trouble(t, url)
			before := s.Status().Errors
			s.pool.Reset() // "read only" is for new connections
			outbox.append(put("u", "s", 1))
			eventually(t, "it has tried a few times", func() bool { return s.Status().Errors >= before+3 })
			if status := s.Status(); !status.Reachable || status.Quarantined != 0 || status.LastError == "" {
				t.Fatalf("status: %+v", status)
			}
			release()
			eventually(t, "the outbox drained", outbox.isDrained)
			requireEqual(t, usersTable(t, url), memberships{{"before", "s"}: 1, {"u", "s"}: 1})
			requireQuarantine(t, url, "")
		})
	}
}
