package node

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// A snapshot has snapshotSyncBytes and one write at most that are not synced.
func TestSnapshotIsSyncedAsItIsWritten(t *testing.T) {
	store, err := openSnapshotStore(t.TempDir(), hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	const writeMax = 256 << 10 // as a machine writes its own
	syncs, synced := 0, int64(0)
	store.sync = func(f *os.File) error {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		syncs++
		// Raft's buffer has up to 4 KiB more, or had.
		if more := info.Size() - synced; more < snapshotSyncBytes-4096 || more > snapshotSyncBytes+writeMax+4096 {
			t.Errorf("sync %d after %d bytes", syncs, more)
		}
		synced = info.Size()
		return datasync(f)
	}
	sink := createSnapshot(t, store)
	want := make([]byte, 5*snapshotSyncBytes+snapshotSyncBytes/2)
	_, _ = rand.NewChaCha8([32]byte{}).Read(want)
	for rest := want; len(rest) > 0; {
		size := min(rand.IntN(writeMax), len(rest))
		if n, err := sink.Write(rest[:size]); n != size || err != nil {
			t.Fatalf("Write of %d bytes: %d, %v", size, n, err)
		}
		rest = rest[size:]
	}
	for range 2 { // Raft closes it once more
		if err := sink.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if syncs != 5 {
		t.Errorf("%d syncs, want 5", syncs)
	}
	_, reader, err := store.Open(sink.ID())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	got, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("the snapshot has other bytes than were written")
	}
}

// A sync that fails fails the snapshot: nothing of it is kept.
func TestSnapshotThatCannotBeSynced(t *testing.T) {
	dir := t.TempDir()
	store, err := openSnapshotStore(dir, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the disk is broken")
	store.sync = func(*os.File) error { return broken }
	sink := createSnapshot(t, store)
	if n, err := sink.Write(make([]byte, 3*snapshotSyncBytes)); n != 3*snapshotSyncBytes || !errors.Is(err, broken) {
		t.Errorf("Write: %d, %v, want all and %q", n, err, broken)
	}
	if err := sink.Cancel(); err != nil {
		t.Error(err)
	}
	requireNoFiles(t, filepath.Join(dir, "snapshots"))
}

// A snapshot is removed also where Raft's sink fails to.
func TestSnapshotThatCannotBeCancelled(t *testing.T) {
	dir := t.TempDir()
	store, err := openSnapshotStore(dir, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	sink := createSnapshot(t, store).(*snapshotSink)
	defer sink.SnapshotSink.Cancel()
	full := errors.New("the disk is full")
	sink.SnapshotSink = stubborn{sink.SnapshotSink, full}
	if err := sink.Cancel(); !errors.Is(err, full) {
		t.Errorf("Cancel: %v, want %q", err, full)
	}
	requireNoFiles(t, filepath.Join(dir, "snapshots"))
}

// stubborn is a sink that cannot be cancelled.
type stubborn struct {
	raft.SnapshotSink

	err error
}

func (s stubborn) Cancel() error { return s.err }

// What a process that was killed had begun is gone after the next start, and what it had
// finished is not.
func TestUnfinishedSnapshotsAreRemoved(t *testing.T) {
	dir := t.TempDir()
	open := func() *snapshotStore {
		store, err := openSnapshotStore(dir, hclog.NewNullLogger())
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	killed := createSnapshot(t, open())
	if _, err := killed.Write(make([]byte, snapshotSyncBytes)); err != nil {
		t.Fatal(err)
	}
	finished := createSnapshot(t, open())
	if err := finished.Close(); err != nil {
		t.Fatal(err)
	}
	list, err := open().List()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].ID != finished.ID() {
		t.Errorf("the store has %v, want %s alone", list, finished.ID())
	}
	// The files of the first one are gone under it: it fails, and leaves nothing.
	if err := killed.Close(); err == nil {
		t.Error("a snapshot was finished whose files are gone")
	}
	if err := os.RemoveAll(filepath.Join(dir, "snapshots", finished.ID())); err != nil {
		t.Fatal(err)
	}
	requireNoFiles(t, filepath.Join(dir, "snapshots"))
}

func requireNoFiles(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 0 {
		t.Errorf("%v is left in %s", left, dir)
	}
}

// snapshotIndex is that of the snapshot created last: their names have it.
var snapshotIndex uint64

func createSnapshot(t *testing.T, store raft.SnapshotStore) raft.SnapshotSink {
	t.Helper()
	_, streams := raft.NewInmemTransport("")
	snapshotIndex++
	sink, err := store.Create(raft.SnapshotVersionMax, snapshotIndex, 3, raft.Configuration{}, 1, streams)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}
