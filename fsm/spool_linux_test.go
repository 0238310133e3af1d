package fsm_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// spoolFiles returns the open files that were made in dir, as /proc has them.
func spoolFiles(t *testing.T, dir string) (paths []string) {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		path := filepath.Join("/proc/self/fd", fd.Name())
		if file, err := os.Readlink(path); err == nil && strings.HasPrefix(file, dir) {
			paths = append(paths, path)
		}
	}
	return paths
}

// The disk gets back what nobody needs any more.
func TestSpoolFilesGo(t *testing.T) {
	s, dir := spooling(t)
	s.writeUsers(0, 100)
	s.spool()
	if n := len(spoolFiles(t, dir)); n != 1 {
		t.Fatalf("%d files are open", n)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("the directory has %v (%v)", left, err)
	}
	held := takeSnapshot(t, s.Machine)
	if err := restore(s.Machine, snapshotOf(t, newShard(t).Machine)); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	if n := len(outboxOf(s.Machine, 0, 1)); n != 0 {
		t.Errorf("the new state has %d entries", n)
	}
	if n := len(spoolFiles(t, dir)); n != 1 {
		t.Errorf("%d files are open while a snapshot needs one", n)
	}
	if data := persist(t, held); len(data) < 100 {
		t.Errorf("a snapshot of %d bytes", len(data))
	}
	held.Release()
	held = nil
	for began := time.Now(); len(spoolFiles(t, dir)) > 0; time.Sleep(time.Millisecond) {
		if runtime.GC(); time.Since(began) > 10*time.Second {
			t.Fatal("a file that nobody needs is still open")
		}
	}
}

// What the disk changes is not passed on.
func TestDamagedSpoolEndsTheProcess(t *testing.T) {
	for what, damage := range map[string]func(*os.File) error{
		"flipped": func(f *os.File) error { _, err := f.WriteAt([]byte{'x'}, 30); return err },
		"cut":     func(f *os.File) error { return f.Truncate(30) },
	} {
		s, dir := spooling(t)
		s.writeUsers(0, 100)
		s.spool()
		f, err := os.OpenFile(spoolFiles(t, dir)[0], os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := damage(f); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if message, _ := recover().(string); !strings.Contains(message, "a restart builds it anew") {
					t.Errorf("%s: it ended with %s", what, strconv.Quote(message))
				}
			}()
			outboxOf(s.Machine, 0, 1)
		}()
	}
}
