package node

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
)

// logStore is what a group has on disk: its log, and Raft's term and vote. It is
// watched: a write that fails ends the process, because what is on disk is then not
// known, and so does one that does not end, because its leader would keep its
// leadership and stall everyone (hashicorp/raft issue 503). It also counts bytes, by
// which snapshots are timed.
//
// Term and vote are in a bbolt file always; the log is in the same file, or in a
// write-ahead log beside it. See [openLog].
type logStore struct {
	raft.LogStore // the log: stable, or wal
	stable        *raftboltdb.BoltStore
	wal           *walLog // nil: the log is in stable
	fatal         func(error)

	writing atomic.Int64 // Unix nanoseconds when the write in progress began, 0: none
	bytes   atomic.Int64 // written since the last snapshot
	entries atomic.Int64 // likewise
}

// entryOverheadBytes is what an entry is charged beyond its data, so that many small
// ones are cut off as well.
const entryOverheadBytes = 128

// openLogStore opens what a group has in dir, with its log in the kind of store that
// is asked for: a log in the other kind is moved.
func openLogStore(dir string, kind LogStoreKind, logger hclog.Logger, fatal func(error)) (*logStore, error) {
	path := filepath.Join(dir, "log.db")
	stable, err := raftboltdb.New(raftboltdb.Options{
		Path: path,
		BoltOptions: &bbolt.Options{
			Timeout:        5 * time.Second, // for the file lock: another process has it
			NoFreelistSync: true,
			FreelistType:   bbolt.FreelistMapType,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("opening the log %s: %w", path, err)
	}
	s := &logStore{LogStore: stable, stable: stable, fatal: fatal}
	if s.wal, err = openLog(dir, kind, stable, logger); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the log in %s: %w", dir, err), stable.Close())
	}
	if s.wal != nil {
		s.LogStore = s.wal
	}
	return s, nil
}

// Close closes the files.
func (s *logStore) Close() error {
	err := s.stable.Close()
	if s.wal != nil {
		err = errors.Join(s.wal.close(), err)
	}
	return err
}

// IsMonotonic implements [raft.MonotonicLogStore]: whether the log is one run of
// indexes, so that Raft empties it before it goes on behind a snapshot.
func (s *logStore) IsMonotonic() bool { return s.wal != nil }

// StoreLog implements [raft.LogStore].
func (s *logStore) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs implements [raft.LogStore].
func (s *logStore) StoreLogs(logs []*raft.Log) error {
	err := s.watch("writing the log", func() error { return s.LogStore.StoreLogs(logs) })
	if err != nil {
		return err
	}
	n := len(logs) * entryOverheadBytes
	for _, l := range logs {
		n += len(l.Data)
	}
	s.bytes.Add(int64(n))
	s.entries.Add(int64(len(logs)))
	return nil
}

// DeleteRange implements [raft.LogStore].
func (s *logStore) DeleteRange(low, high uint64) error {
	return s.watch("cutting the log", func() error { return s.LogStore.DeleteRange(low, high) })
}

// Set implements [raft.StableStore].
func (s *logStore) Set(key, value []byte) error {
	return s.watch("writing Raft's vote", func() error { return s.stable.Set(key, value) })
}

// SetUint64 implements [raft.StableStore].
func (s *logStore) SetUint64(key []byte, value uint64) error {
	return s.watch("writing Raft's term", func() error { return s.stable.SetUint64(key, value) })
}

// Get implements [raft.StableStore].
func (s *logStore) Get(key []byte) ([]byte, error) { return s.stable.Get(key) }

// GetUint64 implements [raft.StableStore].
func (s *logStore) GetUint64(key []byte) (uint64, error) { return s.stable.GetUint64(key) }

// watch makes one write, and ends the process if it fails. Raft may write from two
// goroutines, one of them cutting the log: the later one's beginning is then the one
// that is watched.
func (s *logStore) watch(what string, write func() error) error {
	s.writing.Store(time.Now().UnixNano())
	err := write()
	s.writing.Store(0)
	if err != nil {
		s.fatal(fmt.Errorf("%s: %w", what, err))
	}
	return err
}

// stalledFor says how long the write in progress has taken, 0 if there is none.
func (s *logStore) stalledFor(now time.Time) time.Duration {
	began := s.writing.Load()
	if began == 0 {
		return 0
	}
	return now.Sub(time.Unix(0, began))
}

// sinceSnapshot returns the bytes and entries written since the last snapshot.
func (s *logStore) sinceSnapshot() (bytes, entries int64) {
	return s.bytes.Load(), s.entries.Load()
}

// snapshotted notes that a snapshot covers so many of them.
func (s *logStore) snapshotted(bytes, entries int64) {
	s.bytes.Add(-bytes)
	s.entries.Add(-entries)
}
