package pglocal

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// ownerDir set: the test binary plays the owner that gets killed.
const ownerDir = "PGLOCAL_TEST_OWNER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerDir); dir != "" {
		playOwner(dir)
	}
	os.Exit(m.Run())
}

// playOwner starts a server, says its process number and waits to be killed.
func playOwner(dir string) {
	s, err := Start(context.Background(), Options{Dir: dir})
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
	_, _ = os.Stdout.WriteString(strconv.Itoa(s.Pid()) + "\n")
	<-s.Done()
	os.Exit(0)
}

// reachable makes a directory that the server's user can reach too; the parents
// of t.TempDir are closed to other users.
func reachable(t *testing.T) string {
	t.Helper()
	parent, err := os.MkdirTemp("", "pglocal-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(parent) })
	if err := os.Chmod(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(parent, "postgres")
}

func mustStart(t *testing.T, o Options) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func connect(t *testing.T, s *Server) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func query[T any](t *testing.T, s *Server, sql string) (value T) {
	t.Helper()
	if err := connect(t, s).QueryRow(t.Context(), sql).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func execute(t *testing.T, s *Server, sql string) {
	t.Helper()
	if _, err := connect(t, s).Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func makeTable(t *testing.T, s *Server) {
	t.Helper()
	execute(t, s, `CREATE TABLE kept (n int)`)
	execute(t, s, `INSERT INTO kept VALUES (1)`)
}

func TestRestartKeepsData(t *testing.T) {
	o := Options{Dir: reachable(t), Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	first := mustStart(t, o)
	makeTable(t, first)
	first.Stop()
	first.Stop()
	if serves(first.Pid(), o.Dir) {
		t.Fatal("the server runs on after Stop")
	}

	second := mustStart(t, o)
	if rows := query[int64](t, second, `SELECT count(*) FROM kept`); rows != 1 {
		t.Fatalf("%d rows after the restart, want 1", rows)
	}
	if first.URL() != second.URL() {
		t.Fatal("the URL changed although the port was free")
	}
}

func TestKilledServerKeepsData(t *testing.T) {
	o := Options{Dir: reachable(t)}
	s := mustStart(t, o)
	makeTable(t, s)
	for kills := int64(1); kills <= 3; kills++ {
		s.Kill()
		select {
		case <-s.Done():
		default:
			t.Fatal("Done is open after Kill")
		}
		s = mustStart(t, o)
		if rows := query[int64](t, s, `SELECT count(*) FROM kept`); rows != kills {
			t.Fatalf("%d rows after kill %d, want %d", rows, kills, kills)
		}
		execute(t, s, `INSERT INTO kept VALUES (1)`)
	}
}

func TestSettings(t *testing.T) {
	s := mustStart(t, Options{Dir: reachable(t)})
	for name, want := range map[string]string{
		"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "on",
		"synchronous_commit": "on", "full_page_writes": "on", "server_encoding": "UTF8",
	} {
		if got := query[string](t, s, "SHOW "+name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	wrong, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	wrong.User = url.UserPassword(superuser, "wrong")
	if conn, err := pgx.Connect(t.Context(), wrong.String()); err == nil {
		_ = conn.Close(t.Context())
		t.Error("a wrong password was let in")
	}
}

func TestForeignDirectoryIsLeftAlone(t *testing.T) {
	dir := reachable(t)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if s, err := Start(t.Context(), Options{Dir: dir}); err == nil {
		s.Stop()
		t.Fatal("started in a directory with somebody's files")
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Fatalf("the directory was changed: %v, %v", info, err)
	}
}

func TestTakenPort(t *testing.T) {
	first := mustStart(t, Options{Dir: reachable(t)})
	u, err := url.Parse(first.URL())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	dir := reachable(t)
	if _, err := Start(t.Context(), Options{Dir: dir, Port: port}); !errors.Is(err, errPortTaken) {
		t.Fatalf("start on a taken port: %v", err)
	}
	// Not insisted upon, a remembered port that is taken gives way.
	if err := os.WriteFile(home(dir).port(), []byte(strconv.Itoa(port)), 0o600); err != nil {
		t.Fatal(err)
	}
	second := mustStart(t, Options{Dir: dir})
	if second.URL() == first.URL() {
		t.Fatal("two servers on one port")
	}
}

func TestNewestProgramsFirst(t *testing.T) {
	if newestFirst("/usr/lib/postgresql/9.6/bin", "/usr/lib/postgresql/15/bin") <= 0 {
		t.Error("9.6 before 15")
	}
	for _, pattern := range places {
		if _, err := filepath.Match(pattern, "/"); err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}
