package fsm_test

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"headcount/fsm"
)

// spooling is a shard whose memory keeps no sealed blocks once SpoolOutbox has run, with
// the directory for them.
func spooling(t *testing.T) (*shard, string) {
	dir := filepath.Join(t.TempDir(), "spool")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := newShard(t)
	s.UseSpool(fsm.Spool{Dir: dir, MemoryBytes: 20, FloodBytes: 80})
	return s, dir
}

func (s *shard) writeUsers(from, to int) {
	for i := from; i < to; i++ {
		s.write(noon, put(numbered("user", i), "RU", noon+day))
	}
}

func (s *shard) spool() {
	s.t.Helper()
	if err := s.SpoolOutbox(); err != nil {
		s.t.Error(err)
	}
}

// A disk that takes nothing loses nothing: memory keeps it, and a leader refuses more
// once that is too much, until the disk takes it.
func TestSpoolWithoutRoom(t *testing.T) {
	s, dir := spooling(t)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	s.writeUsers(0, 2)
	select {
	case <-s.OutboxCrowded():
	default:
		t.Error("nobody was told that memory has too much")
	}
	if err := s.SpoolOutbox(); err == nil {
		t.Error("spooled to where nothing is")
	}
	if s.OutboxIsFull() {
		t.Error("full, with little more than memory should have")
	}
	s.writeUsers(2, 6)
	if !s.OutboxIsFull() {
		t.Error("not full, with several times what memory should have")
	}
	before := outboxOf(s.Machine, 0, 1)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.spool()
	if s.OutboxIsFull() || s.Stats().OutboxMemoryBytes > 20 {
		t.Errorf("full %t with %d bytes in memory", s.OutboxIsFull(), s.Stats().OutboxMemoryBytes)
	}
	if after := outboxOf(s.Machine, 0, 1); !slices.EqualFunc(before, after, sameNews) {
		t.Errorf("the outbox was %v and is %v", before, after)
	}
}

func sameNews(a, b news) bool { return a.index == b.index && slices.Equal(a.records, b.records) }

// A snapshot is restored to disk as well, and what it is read from may go meanwhile.
func TestSpooledOutboxInSnapshots(t *testing.T) {
	s, _ := spooling(t)
	s.writeUsers(0, 100)
	s.spool()
	want := outboxOf(s.Machine, 0, 1)
	held := takeSnapshot(t, s.Machine)
	defer held.Release()
	s.propose(ack(s.index))
	if all := outboxOf(s.Machine, 0, 1); len(all) != 0 {
		t.Errorf("after all was acknowledged the outbox has %d entries", len(all))
	}
	runtime.GC()
	joined, _ := spooling(t)
	if err := restore(joined.Machine, persist(t, held)); err != nil {
		t.Fatal(err)
	}
	if got := outboxOf(joined.Machine, 0, 1); !slices.EqualFunc(got, want, sameNews) {
		t.Errorf("restored %v, want %v", got, want)
	}
	if st := joined.Stats(); st.OutboxMemoryBytes > 40 || st.OutboxRows != 100 {
		t.Errorf("restored %d rows, of which memory has %d bytes", st.OutboxRows, st.OutboxMemoryBytes)
	}
}

// A snapshot that finds no room on disk for its outbox is restored all the same.
func TestRestoreWithoutRoomToSpool(t *testing.T) {
	s, _ := spooling(t)
	s.writeUsers(0, 100)
	joined, dir := spooling(t)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := restore(joined.Machine, snapshotOf(t, s.Machine)); err != nil {
		t.Fatal(err)
	}
	if st := joined.Stats(); st.OutboxRows != 100 || st.OutboxMemoryBytes != st.OutboxBytes || !joined.OutboxIsFull() {
		t.Errorf("restored %d rows, of which memory has %d bytes of %d", st.OutboxRows, st.OutboxMemoryBytes, st.OutboxBytes)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	<-joined.OutboxCrowded()
	joined.spool()
	if st := joined.Stats(); st.OutboxMemoryBytes > 40 || joined.OutboxIsFull() {
		t.Errorf("memory still has %d bytes", st.OutboxMemoryBytes)
	}
}

// spoolFiles returns the open files that were made in dir, as /proc has them.
func spoolFiles(t *testing.T, dir string) (paths []string) {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc here")
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
