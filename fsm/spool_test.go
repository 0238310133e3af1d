package fsm_test

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

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
