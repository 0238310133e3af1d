package systemtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// oldTable is what a service of this kind usually has: one segment a user, IDs that are
// numbers, and expiries without a time zone. Its rows end up to two weeks ahead, or have ended, at every part of
// a second.
const oldTable = `
create table users (id bigint primary key, segment text not null, expired_segment timestamp without time zone not null);
insert into users
select i, 'segment ' || (1 + i::bigint * i % 37), (now() at time zone 'Asia/Tokyo') + (i % 20000 - 500) * interval '1 minute' + i * interval '1 millisecond'
from generate_series(1, 150000) i`

// tool is how a command of headcount ended.
type tool struct {
	status         int
	stdout, stderr string
}

// runTool runs a command until it ends.
func runTool(t testing.TB, args ...string) tool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), scaled(2*time.Minute))
	defer cancel()
	cmd := exec.CommandContext(ctx, headcountPath, args...)
	cmd.Env = environWithoutSettings()
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("headcount %v: %v\n%s%s", args, err, stdout.String(), stderr.String())
	}
	return tool{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func (r tool) want(t testing.TB, status int, word string) {
	t.Helper()
	if r.status != status || !strings.Contains(r.stdout+r.stderr, word) {
		t.Fatalf("exit status %d, want %d and %q:\n%s%s", r.status, status, word, r.stdout, r.stderr)
	}
}

// An old service's table is imported, also when the import is killed half-way; the counts
// are those of the old table and of the cluster's own; what is exported is the same again.
func TestImportVerifyExport(t *testing.T) {
	database, old := newDatabase(t), newDatabase(t)
	execute(t, old, oldTable)
	c := startCluster(t, settings{postgresURL: database})
	urls := strings.Join(bases(c.nodes), ",")
	dir := t.TempDir()

	runTool(t, "verify", "--url", urls, "--dsn", old, "--timezone", "Asia/Tokyo", "--wait", "1s").want(t, 1, "DIFFERENT")

	args := []string{"import", "--from", "postgres", "--dsn", old, "--timezone", "Asia/Tokyo", "--url", urls, "--state", filepath.Join(dir, "state")}
	output := filepath.Join(dir, "import.log")
	half := startProcess(t, "import", output, output, args...)
	eventually(t, time.Minute, "a part of the import", func() error {
		if _, err := os.Stat(filepath.Join(dir, "state")); err != nil {
			return err
		}
		return nil
	})
	half.kill()
	runTool(t, args...).want(t, 0, "going on after")

	runTool(t, "verify", "--url", urls, "--dsn", old, "--timezone", "Asia/Tokyo").want(t, 0, "19 equal, 0 different")
	runTool(t, "verify", "--url", urls, "--dsn", database).want(t, 0, "19 equal, 0 different")

	// All of it is there already.
	for _, format := range []string{"ndjson", "csv"} {
		file := filepath.Join(dir, format)
		runTool(t, "export", "--dsn", database, "--format", format, "--to", file).want(t, 0, "exported")
		runTool(t, "import", "--from", format, file, "--url", urls).want(t, 0, " 0 created, 0 renewed")
	}

	// What was unchanged goes to PostgreSQL too, and would bring back what is deleted there.
	verifySettled(t, c.nodes, true)

	// A row that was lost, and one that nobody counts, are found.
	execute(t, database, `
		delete from users where id = (select min(id) from users where segment = 'segment 2' and expired_segment > now() + interval '1 hour');
		insert into users (id, segment, expired_segment) values ('stranger', 'elsewhere', now() + interval '1 day')`)
	different := runTool(t, "verify", "--url", urls, "--dsn", database)
	different.want(t, 1, "2 different")
	for _, segment := range []string{"segment 2", "elsewhere"} {
		if !strings.Contains(different.stdout, segment) {
			t.Errorf("%s is not named:\n%s", segment, different.stdout)
		}
	}

	// While PostgreSQL is behind, nobody can tell.
	held, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close(context.WithoutCancel(t.Context()))
	if _, err := held.Exec(t.Context(), "begin; lock table users in share mode"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "more")
	line := fmt.Sprintf(`{"ID":"late","segment":"segment 3","expiredSegment":%d}`, time.Now().Add(time.Hour).Unix())
	if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	runTool(t, "import", "--from", "ndjson", file, "--url", urls).want(t, 0, " 1 created")
	runTool(t, "verify", "--url", urls, "--dsn", database, "--wait", "1s").want(t, 2, "18 equal, 0 different, 3 not decided")

	runTool(t, "verify", "--url", "http://"+loopback(1), "--dsn", database).want(t, 2, "refused")
}

// execute runs statements in a database.
func execute(t testing.TB, databaseURL, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	address, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	connection, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		t.Fatalf("connecting to %s: %v", address.Path, err)
	}
	defer connection.Close(ctx)
	if _, err := connection.Exec(ctx, sql); err != nil {
		t.Fatal(fmt.Errorf("in %s: %w", address.Path, err))
	}
}
