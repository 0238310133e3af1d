package pgsink

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"headcount/pglocal"
)

// shared is the PostgreSQL of all tests that do not kill theirs.
var shared *pglocal.Server

func TestMain(m *testing.M) {
	os.Exit(withPostgres(m))
}

func withPostgres(m *testing.M) int {
	dir, err := reachableDir()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	shared, err = pglocal.Start(context.Background(), pglocal.Options{Dir: filepath.Join(dir, "postgres")})
	if err != nil {
		fmt.Fprintf(os.Stderr, "these tests need a real PostgreSQL: %v\n", err)
		return 1
	}
	defer shared.Stop()
	return m.Run()
}

// reachableDir makes a directory that PostgreSQL's user can reach too.
func reachableDir() (string, error) {
	dir, err := os.MkdirTemp("", "pgsink-test-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

const testMax = 60 * time.Second // for whatever a test waits for

func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testMax)
	t.Cleanup(cancel)
	return ctx
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(testMax)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", testMax, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

var databases atomic.Int64

// newDatabase makes an empty database on the shared server and returns its URL.
func newDatabase(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	execute(t, shared.URL(), "CREATE DATABASE "+name)
	u, err := url.Parse(shared.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.Path = name
	return u.String()
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(soon(t), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func execute(t testing.TB, url, sql string, arguments ...any) {
	t.Helper()
	conn := connect(t, url)
	if _, err := conn.Exec(soon(t), sql, arguments...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	_ = conn.Close(context.Background())
}

func query[T any](t testing.TB, url, sql string, arguments ...any) (value T) {
	t.Helper()
	conn := connect(t, url)
	if err := conn.QueryRow(soon(t), sql, arguments...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	_ = conn.Close(context.Background())
	return value
}

func mustMigrate(t testing.TB, url string) {
	t.Helper()
	if err := MigrateUp(soon(t), url); err != nil {
		t.Fatal(err)
	}
}

func cursorOf(t *testing.T, url string, st Stream) uint64 {
	t.Helper()
	return uint64(query[int64](t, url, `SELECT index FROM headcount_cursor WHERE incarnation = $1 AND shard = $2`, st.Incarnation, int32(st.Shard)))
}

var testStream = Stream{Incarnation: "2f6c", Shard: 3}

// impatient options: tests break things and want to see them mended.
func impatient(t *testing.T) Options {
	return Options{
		Logger:      slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		AckInterval: 5 * time.Millisecond,
		PieceRows:   2,
		PiecePause:  time.Millisecond,
		BackoffMin:  2 * time.Millisecond,
		BackoffMax:  50 * time.Millisecond,
	}
}

func mustOpen(t testing.TB, url string, o Options) *Sink {
	t.Helper()
	s, err := Open(url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// lead runs the Sink on the stream, as a leader does, until the returned stop.
func lead(t *testing.T, s *Sink, st Stream, ob Outbox) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx, st, ob); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	return stop
}
