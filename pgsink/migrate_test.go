package pgsink

import (
	"errors"
	"strings"
	"sync"
	"testing"
)

func newest(t *testing.T) int {
	t.Helper()
	all, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 3 {
		t.Fatalf("%d migrations embedded", len(all))
	}
	return len(all)
}

func requireVersion(t *testing.T, url string, want int) {
	t.Helper()
	version, err := SchemaVersion(soon(t), url)
	if err != nil {
		t.Fatal(err)
	}
	if version != want {
		t.Fatalf("schema version %d, want %d", version, want)
	}
}

func countTables(t *testing.T, url string) int64 {
	t.Helper()
	return query[int64](t, url, `SELECT count(*) FROM pg_tables WHERE tablename IN ('users', 'headcount_cursor', 'quarantine')`)
}

func TestMigrateUpDownUp(t *testing.T) {
	url, newest := newDatabase(t), newest(t)
	requireVersion(t, url, 0)
	mustMigrate(t, url)
	requireVersion(t, url, newest)
	mustMigrate(t, url)
	for version := newest - 1; version >= 0; version-- {
		if err := MigrateDown(soon(t), url, 1); err != nil {
			t.Fatal(err)
		}
		requireVersion(t, url, version)
	}
	if left := countTables(t, url); left != 0 {
		t.Fatalf("%d tables left at version 0", left)
	}
	mustMigrate(t, url)
	if err := MigrateDown(soon(t), url, 1000); err != nil {
		t.Fatal(err)
	}
	requireVersion(t, url, 0)
	mustMigrate(t, url)
	requireVersion(t, url, newest)
	if have := countTables(t, url); have != 3 {
		t.Fatalf("%d tables, want 3", have)
	}
	if err := MigrateDown(soon(t), url, 0); err == nil {
		t.Fatal("0 steps were taken")
	}
}

func TestMigrateConcurrently(t *testing.T) {
	url := newDatabase(t)
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			if err := MigrateUp(soon(t), url); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	requireVersion(t, url, newest(t))
}

func TestNewerSchemaIsRefused(t *testing.T) {
	url := newDatabase(t)
	mustMigrate(t, url)
	execute(t, url, `INSERT INTO headcount_schema (version, name) VALUES (1000, 'from the future')`)
	if err := MigrateUp(soon(t), url); !errors.Is(err, ErrSchemaNewer) || !strings.Contains(err.Error(), "1000") {
		t.Fatalf("up: %v", err)
	}
	if err := MigrateDown(soon(t), url, 1); !errors.Is(err, ErrSchemaNewer) {
		t.Fatalf("down: %v", err)
	}

	s, outbox := mustOpen(t, url, impatient(t)), newLog(1)
	outbox.append(put("u", "s", 1))
	lead(t, s, testStream, outbox)
	eventually(t, "the reason shows", func() bool { return strings.Contains(s.Status().LastError, "newer") })
	if s.Status().Flushes != 0 {
		t.Fatal("flushed into a schema it does not know")
	}

	execute(t, url, `DELETE FROM headcount_schema WHERE version = 1000`)
	eventually(t, "the outbox drained", outbox.isDrained)
}

func TestFailedMigrationLeavesNothing(t *testing.T) {
	url := newDatabase(t)
	execute(t, url, `CREATE TABLE quarantine (somebody_elses int)`)
	if err := MigrateUp(soon(t), url); err == nil || !strings.Contains(err.Error(), "quarantine") {
		t.Fatalf("up: %v", err)
	}
	requireVersion(t, url, 2)
	execute(t, url, `DROP TABLE quarantine`)
	mustMigrate(t, url)
	requireVersion(t, url, newest(t))
}
