package node

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// snapshotsRetained is how many snapshots a group keeps: the last, and one before it.
const snapshotsRetained = 2

// snapshotSyncBytes is how much of a snapshot is written between two syncs: what a log
// write on the same disk may have to wait for.
const snapshotSyncBytes = 1 << 20

// snapshotStore is Raft's file store, but for one thing: a snapshot, taken or received,
// is synced as it is written. Raft's own syncs it at its end, in one go, and so long the
// log on the same disk waits.
type snapshotStore struct {
	*raft.FileSnapshotStore

	dir  string // the group's; the store has its files in dir/snapshots
	sync func(*os.File) error
}

func openSnapshotStore(dir string, logger hclog.Logger) (*snapshotStore, error) {
	files, err := raft.NewFileSnapshotStoreWithLogger(dir, snapshotsRetained, logger)
	if err != nil {
		return nil, err
	}
	return &snapshotStore{FileSnapshotStore: files, dir: dir, sync: datasync}, nil
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
	file, err := os.OpenFile(filepath.Join(s.dir, "snapshots", sink.ID()+".tmp", "state.bin"), os.O_WRONLY, 0)
	if err != nil {
		return nil, errors.Join(err, sink.Cancel())
	}
	return &snapshotSink{SnapshotSink: sink, file: file, sync: s.sync}, nil
}

// snapshotSink is a snapshot being written.
type snapshotSink struct {
	raft.SnapshotSink

	file     *os.File // a second descriptor of the sink's file
	sync     func(*os.File) error
	unsynced int
}

func (s *snapshotSink) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		var wrote int
		wrote, err = s.SnapshotSink.Write(p[:min(len(p), snapshotSyncBytes-s.unsynced)])
		n += wrote
		p = p[wrote:]
		s.unsynced += wrote
		if s.unsynced >= snapshotSyncBytes && err == nil {
			err = s.sync(s.file)
			s.unsynced = 0
		}
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
	return s.SnapshotSink.Cancel()
}
