package pgsink

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// throughBouncer returns the URL of a database through a PgBouncer of its own, in
// transaction mode and with fewer connections than clients.
func throughBouncer(t *testing.T, database string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			t.Skip("pgbouncer is not installed: scripts/deps.sh pgbouncer")
		}
	}
	config, err := pgx.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().(*net.TCPAddr)
	listener.Close()
	dir, err := reachableDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "pgbouncer.ini")
	ini := fmt.Sprintf(`[databases]
%s = host=%s port=%d user=%s password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
`, config.Database, config.Host, config.Port, config.User, config.Password, address.Port)
	if err := os.WriteFile(path, []byte(ini), 0o644); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	command := exec.Command(program, path)
	command.Stderr = &said
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 { // which PgBouncer refuses
		const nobody = 65534
		command.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait() // it was killed
		if t.Failed() {
			t.Logf("pgbouncer said:\n%s", said.String())
		}
	})
	pooled := url.URL{
		Scheme: "postgres", User: url.UserPassword(config.User, config.Password), Host: address.String(), Path: config.Database,
		RawQuery: "sslmode=disable&default_query_exec_mode=exec",
	}
	eventually(t, "pgbouncer takes connections", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, pooled.String())
		if err != nil {
			return false
		}
		return conn.Close(ctx) == nil
	})
	return pooled.String()
}

// Through a pooler that gives every transaction another connection, all is as without it:
// the schema, flushes of leaders that overlap, and rows that PostgreSQL refuses.
func TestThroughAPoolerInTransactionMode(t *testing.T) {
	database := newDatabase(t)
	pooled := throughBouncer(t, database)
	for range 2 {
		if err := MigrateDown(soon(t), pooled, 1000); err != nil {
			t.Fatal(err)
		}
		mustMigrate(t, pooled)
	}
	requireVersion(t, pooled, newest(t))
	runModel(t, 1, database, pooled)

	s, outbox := mustOpen(t, pooled, impatient(t)), newLog(2)
	stop := lead(t, s, Stream{"another", 1}, outbox)
	outbox.append(put("good", "s", 1), put("nul\x00", "s", 1), put("also good", "s", 1), erase("nobody"))
	eventually(t, "the outbox drained", outbox.isDrained)
	stop()
	if n := query[int64](t, database, `SELECT count(*) FROM users WHERE id IN ('good', 'also good')`); n != 2 {
		t.Errorf("%d of two good rows are there", n)
	}
	if n := query[int64](t, database, `SELECT count(*) FROM quarantine`); n != 1 {
		t.Errorf("%d rows are in the quarantine, want one", n)
	}
}

// Another isolation than the one that the upsert is written for is refused at the start.
func TestAnotherIsolationIsRefused(t *testing.T) {
	s := mustOpen(t, newDatabase(t)+"&default_transaction_isolation=serializable", impatient(t))
	if err := s.ensureSchema(soon(t)); err == nil || !strings.Contains(err.Error(), "read committed") {
		t.Errorf("%v: want what to set", err)
	}
}
