package pglocal

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestDirectoryHasOneOwner(t *testing.T) {
	o := Options{Dir: reachable(t)}
	s := mustStart(t, o)
	if _, err := Start(t.Context(), o); !errors.Is(err, ErrInUse) {
		t.Fatalf("second start: %v, want ErrInUse", err)
	}
	if n := query[int32](t, s, `SELECT 1`); n != 1 {
		t.Fatal("the first server suffered")
	}
}

func TestOwnerKilled(t *testing.T) {
	dir := reachable(t)
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), ownerDir+"="+dir)
	owner.Stderr = t.Output()
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the owner did not start its server: %v", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if !serves(pid, dir) {
		t.Fatalf("process %d is no server on %s", pid, dir)
	}
	if err := owner.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()

	if runtime.GOOS == "linux" {
		gone, err := pollUntil(t.Context(), 30*time.Second, func() bool { return !serves(pid, dir) })
		if !gone || err != nil {
			t.Fatalf("the server outlives its owner (%v)", err)
		}
	}
	s := mustStart(t, Options{Dir: dir})
	if serves(pid, dir) {
		t.Fatal("the server left behind still runs")
	}
	query[int32](t, s, `SELECT 1`)
}

func TestServerLeftBehindIsStopped(t *testing.T) {
	o := Options{Dir: reachable(t)}
	left := mustStart(t, o)
	makeTable(t, left)
	_ = left.lock.Close() // as the kernel does when the owner dies
	s := mustStart(t, o)
	if serves(left.Pid(), o.Dir) {
		t.Fatal("the server left behind still runs")
	}
	if rows := query[int64](t, s, `SELECT count(*) FROM kept`); rows != 1 {
		t.Fatalf("%d rows, want 1", rows)
	}
}

func TestUnreachableDirectory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root runs PostgreSQL as another user")
	}
	dir := filepath.Join(t.TempDir(), "postgres") // below a directory closed to others
	elsewhere := filepath.Join(os.TempDir(), "headcount-postgres", nameOf(dir))
	t.Cleanup(func() {
		_ = os.RemoveAll(elsewhere)
		_ = os.Remove(filepath.Dir(elsewhere)) // if empty
	})
	o := Options{Dir: dir}
	first := mustStart(t, o)
	makeTable(t, first)
	if !isFile(filepath.Join(elsewhere, "data", "PG_VERSION")) {
		t.Fatalf("no database in %s", elsewhere)
	}
	first.Stop()

	second := mustStart(t, o)
	if rows := query[int64](t, second, `SELECT count(*) FROM kept`); rows != 1 {
		t.Fatalf("%d rows after the restart, want 1", rows)
	}
	second.Stop()

	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	third := mustStart(t, o)
	if name := query[*string](t, third, `SELECT to_regclass('kept')::text`); name != nil {
		t.Fatal("the directory was removed, and its database came back")
	}
}
