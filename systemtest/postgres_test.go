package systemtest

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"headcount/pglocal"
)

// postgresStartMax bounds making and starting a server.
const postgresStartMax = 2 * time.Minute

// shared is one server for all tests that do not stop it; each has a database of
// its own there. TestMain stops it.
var shared struct {
	sync.Mutex
	server    *pglocal.Server
	dir       string
	databases int
}

// newDatabase returns the URL of an empty database on the shared server.
func newDatabase(t testing.TB) string {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		dir, err := os.MkdirTemp("", "headcount-systemtest-postgres-")
		if err != nil {
			t.Fatalf("making a directory for PostgreSQL: %v", err)
		}
		shared.dir = dir
		openTo(t, dir)
		shared.server = startPostgres(t, dir, freePorts(t, 1))
	}
	shared.databases++
	return createDatabase(t, shared.server.URL(), fmt.Sprintf("systemtest_%d", shared.databases))
}

func createDatabase(t testing.TB, serverURL, name string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	connection, err := pgx.Connect(ctx, serverURL)
	if err != nil {
		t.Fatalf("connecting to PostgreSQL: %v", err)
	}
	defer connection.Close(ctx)
	if _, err := connection.Exec(ctx, "create database "+name); err != nil {
		t.Fatalf("creating database %s: %v", name, err)
	}
	address, err := url.Parse(serverURL)
	if err != nil {
		t.Fatalf("PostgreSQL's URL: %v", err)
	}
	address.Path = "/" + name
	return address.String()
}

// startPostgres starts a server in dir. There is no test without PostgreSQL:
// where its programs are missing, the test fails and says how to get them.
func startPostgres(t testing.TB, dir string, port int) *pglocal.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), postgresStartMax)
	defer cancel()
	quiet := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	server, err := pglocal.Start(ctx, pglocal.Options{Dir: dir, Port: port, Logger: quiet})
	if err != nil {
		t.Fatalf("starting PostgreSQL (make deps installs its server programs): %v", err)
	}
	return server
}

// postgresDir returns a new directory that is gone after the test.
func postgresDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	openTo(t, filepath.Dir(dir))
	return dir
}

// openTo lets every user into a directory: PostgreSQL refuses to run as root, and
// then runs as a user that temporary directories are closed to.
func openTo(t testing.TB, dir string) {
	t.Helper()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatalf("opening a directory to PostgreSQL: %v", err)
	}
}

// stopSharedPostgres is for TestMain, after the last test.
func stopSharedPostgres() {
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		return
	}
	shared.server.Stop()
	os.RemoveAll(shared.dir)
}

// readTable returns the users table as a model.
func readTable(ctx context.Context, databaseURL string) (model, error) {
	connection, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return nil, fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer connection.Close(ctx)
	rows, err := connection.Query(ctx, "select id, segment, expired_segment from users")
	if err != nil {
		return nil, fmt.Errorf("reading the users table: %w", err)
	}
	table := model{}
	var key membership
	var expiry time.Time
	_, err = pgx.ForEachRow(rows, []any{&key.id, &key.segment, &expiry}, func() error {
		table[key] = expiry.Unix()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the users table: %w", err)
	}
	return table, nil
}
