package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

// LogStoreKind says what kind of store a group's log is in.
type LogStoreKind string

// The kinds.
const (
	LogInBolt LogStoreKind = "bolt" // in the file that has Raft's term and vote too
	LogInWAL  LogStoreKind = "wal"  // in segment files beside it
)

// moveBytes bounds the entries that are moved from one store to another at once.
const moveBytes = 4 << 20

// logPlaceKey is where the bbolt file says which store has the log. The word is
// written in the same way as a vote, so at every instant, however a process ended,
// exactly one store is the log, and what is in the other is a leftover:
//
//	absent, "bolt"   the bbolt file; a directory wal is an unfinished copy
//	"wal"            the directory wal; entries in the bbolt file are a finished copy's
var logPlaceKey = []byte("HeadcountLogStore")

// openLog opens the log of the group in dir, moving it first if it is not in the
// kind of store asked for. It returns nil for a log that is in stable.
func openLog(dir string, kind LogStoreKind, stable *raftboltdb.BoltStore, logger hclog.Logger) (*walLog, error) {
	if kind != LogInBolt && kind != LogInWAL {
		return nil, fmt.Errorf("there is no kind of store %q", kind)
	}
	place, err := logPlace(stable)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "wal")
	switch {
	case place == LogInBolt && kind == LogInWAL:
		err = moveToWAL(path, stable, logger)
	case place == LogInWAL && kind == LogInBolt:
		err = moveToBolt(path, stable, logger)
	case place == LogInBolt:
		err = os.RemoveAll(path)
	default:
		err = clearLog(stable)
	}
	if err != nil || kind == LogInBolt {
		return nil, err
	}
	return openExistingWAL(path, logger)
}

func logPlace(stable *raftboltdb.BoltStore) (LogStoreKind, error) {
	word, err := stable.Get(logPlaceKey)
	switch {
	case errors.Is(err, raftboltdb.ErrKeyNotFound):
		return LogInBolt, nil
	case err != nil:
		return "", fmt.Errorf("reading where the log is: %w", err)
	case string(word) == string(LogInBolt), string(word) == string(LogInWAL):
		return LogStoreKind(word), nil
	default:
		return "", fmt.Errorf("the log is in a store of kind %q: a newer version wrote it", word)
	}
}

// openExistingWAL opens a log that must be there: a lost one must not be taken for an
// empty one, because this node has voted for what was in it.
func openExistingWAL(path string, logger hclog.Logger) (*walLog, error) {
	if _, err := os.Stat(filepath.Join(path, "wal-meta.db")); err != nil {
		return nil, fmt.Errorf("this group's log was in %s and is gone: let the node leave the cluster, "+
			"remove its data directory, and let it join anew: %w", path, err)
	}
	return openWAL(path, logger)
}

// moveToWAL makes the directory at path the log.
func moveToWAL(path string, stable *raftboltdb.BoltStore, logger hclog.Logger) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	w, err := openWAL(path, logger)
	if err != nil {
		return err
	}
	if err := errors.Join(copyLog(w, stable), w.close(), syncDir(filepath.Dir(path))); err != nil {
		return fmt.Errorf("moving the log to %s: %w", path, err)
	}
	if err := stable.Set(logPlaceKey, []byte(LogInWAL)); err != nil {
		return err
	}
	return clearLog(stable)
}

// moveToBolt makes the bbolt file the log.
func moveToBolt(path string, stable *raftboltdb.BoltStore, logger hclog.Logger) error {
	w, err := openExistingWAL(path, logger)
	if err != nil {
		return err
	}
	if err := errors.Join(clearLog(stable), copyLog(stable, w), w.close()); err != nil {
		return fmt.Errorf("moving the log out of %s: %w", path, err)
	}
	if err := stable.Set(logPlaceKey, []byte(LogInBolt)); err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// copyLog copies the last run of entries without a gap: what lies before a gap is
// covered by a snapshot.
func copyLog(to, from raft.LogStore) error {
	first, last, err := bounds(from)
	if err != nil || last == 0 {
		return err
	}
	for index := last; index > first; index-- {
		if err := from.GetLog(index-1, new(raft.Log)); errors.Is(err, raft.ErrLogNotFound) {
			first = index
		} else if err != nil {
			return err
		}
	}
	var logs []*raft.Log
	size := 0
	for index := first; index <= last; index++ {
		l := new(raft.Log)
		if err := from.GetLog(index, l); err != nil {
			return err
		}
		logs = append(logs, l)
		size += len(l.Data) + entryOverheadBytes
		if size >= moveBytes || index == last {
			if err := to.StoreLogs(logs); err != nil {
				return err
			}
			logs, size = logs[:0], 0
		}
	}
	return nil
}

func bounds(s raft.LogStore) (first, last uint64, err error) {
	if first, err = s.FirstIndex(); err != nil {
		return 0, 0, err
	}
	last, err = s.LastIndex()
	return first, last, err
}

// clearLog takes all entries out of a store.
func clearLog(s raft.LogStore) error {
	first, last, err := bounds(s)
	if err != nil || last == 0 {
		return err
	}
	return s.DeleteRange(first, last)
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
