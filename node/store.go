package node

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
)

// logStore is a group's log on disk, watched: a write that fails ends the process,
// because what is on disk is then not known, and so does one that does not end,
// because its leader would keep its leadership and stall everyone
// (hashicorp/raft issue 503). It also counts bytes, by which snapshots are timed.
type logStore struct {
	*raftboltdb.BoltStore
	fatal func(error)

	writing atomic.Int64 // Unix nanoseconds when the write in progress began, 0: none
	bytes   atomic.Int64 // written since the last snapshot
	entries atomic.Int64 // likewise
}

func openLogStore(path string, fatal func(error)) (*logStore, error) {
	store, err := raftboltdb.New(raftboltdb.Options{
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
	return &logStore{BoltStore: store, fatal: fatal}, nil
}

// StoreLog implements [raft.LogStore].
func (s *logStore) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs implements [raft.LogStore].
func (s *logStore) StoreLogs(logs []*raft.Log) error {
	s.writing.Store(time.Now().UnixNano())
	err := s.BoltStore.StoreLogs(logs)
	s.writing.Store(0)
	if err != nil {
		s.fatal(fmt.Errorf("writing the log: %w", err))
		return err
	}
	n := 0
	for _, l := range logs {
		n += len(l.Data)
	}
	s.bytes.Add(int64(n))
	s.entries.Add(int64(len(logs)))
	return nil
}

// Set implements [raft.StableStore].
func (s *logStore) Set(key, value []byte) error {
	return s.guard(s.BoltStore.Set(key, value))
}

// SetUint64 implements [raft.StableStore].
func (s *logStore) SetUint64(key []byte, value uint64) error {
	return s.guard(s.BoltStore.SetUint64(key, value))
}

func (s *logStore) guard(err error) error {
	if err != nil {
		s.fatal(fmt.Errorf("writing Raft's vote: %w", err))
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

// sinceSnapshot returns the bytes and entries written since the last snapshot,
// and begins anew if reset.
func (s *logStore) sinceSnapshot(reset bool) (bytes, entries int64) {
	if reset {
		return s.bytes.Swap(0), s.entries.Swap(0)
	}
	return s.bytes.Load(), s.entries.Load()
}
