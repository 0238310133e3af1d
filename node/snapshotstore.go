package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// snapshotsRetained is how many snapshots a group keeps: the last, and one before it.
const snapshotsRetained = 2

// snapshotSyncBytes is how much of a snapshot is written before it is synced; the last of
// these writes may go beyond it.
const snapshotSyncBytes = 4 << 20

// snapshotStore is Raft's file store, but for two things. A snapshot, taken or received,
// is synced as it is written: Raft's own syncs it at its end, in one go, and so long the
// log on the same disk waits. And what was begun and never finished is removed.
type snapshotStore struct {
	*raft.FileSnapshotStore

	dir  string // of the store's files
	sync func(*os.File) error
}

// Raft's names.
const (
	snapshotsDir       = "snapshots"
	snapshotStateFile  = "state.bin"
	unfinishedSnapshot = ".tmp"
)

// openSnapshotStore opens a group's store and removes the snapshots that an earlier
// process did not finish.
func openSnapshotStore(dir string, logger hclog.Logger) (*snapshotStore, error) {
	files, err := raft.NewFileSnapshotStoreWithLogger(dir, snapshotsRetained, logger)
	if err != nil {
		return nil, err
	}
	s := &snapshotStore{FileSnapshotStore: files, dir: filepath.Join(dir, snapshotsDir), sync: datasync}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() && strings.HasSuffix(e.Name(), unfinishedSnapshot) {
			if err := os.RemoveAll(filepath.Join(s.dir, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// unfinished is the directory of a snapshot until it is finished.
func (s *snapshotStore) unfinished(id string) string {
	return filepath.Join(s.dir, id+unfinishedSnapshot)
}

// Create begins a snapshot.
func (s *snapshotStore) Create(version raft.SnapshotVersion, index, term uint64,
	configuration raft.Configuration, configurationIndex uint64, streams raft.Transport,
) (raft.SnapshotSink, error) {
	sink, err := s.FileSnapshotStore.Create(version, index, term, configuration, configurationIndex, streams)
	if err != nil {
		return nil, err
	}
	// Raft keeps its descriptor to itself, but a sync is the file's, through whichever.
	file, err := os.OpenFile(filepath.Join(s.unfinished(sink.ID()), snapshotStateFile), os.O_WRONLY, 0)
	if err != nil {
		return nil, errors.Join(err, sink.Cancel())
	}
	return &snapshotSink{SnapshotSink: sink, store: s, file: file}, nil
}

// snapshotSink is a snapshot being written.
type snapshotSink struct {
	raft.SnapshotSink

	store    *snapshotStore
	file     *os.File // a second descriptor of the sink's file
	unsynced int
}

func (s *snapshotSink) Write(p []byte) (n int, err error) {
	n, err = s.SnapshotSink.Write(p)
	s.unsynced += n
	if s.unsynced >= snapshotSyncBytes && err == nil {
		err = s.store.sync(s.file)
		s.unsynced = 0
	}
	return n, err
}

// Close syncs the rest, and makes the snapshot the newest. It may be called again.
func (s *snapshotSink) Close() error {
	_ = s.file.Close() // nothing is written through it
	return s.SnapshotSink.Close()
}

// Cancel removes what was written. After Close it does nothing.
func (s *snapshotSink) Cancel() error {
	_ = s.file.Close()
	if err := s.SnapshotSink.Cancel(); err != nil {
		// Raft's sink writes what it has before it removes it, and where that fails, on a full
		// disk say, leaves everything.
		return errors.Join(err, os.RemoveAll(s.store.unfinished(s.ID())))
	}
	return nil
}
