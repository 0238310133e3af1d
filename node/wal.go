package node

import (
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/metadb"
)

// walSegmentBytes is the size of a segment file. It is allocated when the segment is
// begun, and a segment leaves only whole: so it is a few times smaller than what a
// group keeps of its log (raft.trailing_bytes), and far larger than an entry.
const walSegmentBytes = 16 << 20

// walLog is a group's log in hashicorp/raft-wal: segment files that are only appended
// to, one sync an append, where a commit of bbolt takes two and rewrites pages.
//
// What raft-wal says about failures: an append that fails, or that cannot be made
// durable, is an error here and so ends the process. A failed change of segment is
// only logged by it, but the next append finds its segment sealed and fails.
type walLog struct {
	*wal.WAL
	meta metadb.BoltMetaDB // which segments there are; raft-wal does not close it

	cutting sync.Mutex // StoreLogs checks and appends in one
}

func openWAL(dir string, logger hclog.Logger) (*walLog, error) {
	w := &walLog{}
	var err error
	w.WAL, err = wal.Open(dir,
		wal.WithLogger(logger.Named("wal")),
		wal.WithSegmentSize(walSegmentBytes),
		wal.WithSegmentFiler(newSegmentFiler(dir)),
		wal.WithMetaStore(&w.meta),
	)
	if err != nil {
		return nil, errors.Join(err, w.meta.Close())
	}
	return w, nil
}

func (w *walLog) close() error { return errors.Join(w.WAL.Close(), w.meta.Close()) }

// StoreLogs implements [raft.LogStore]. Entries that do not follow the last one come
// after a snapshot that this node got from its leader. Raft has then emptied the log,
// unless the process ended between the two; and what lies before the gap is covered
// by the snapshot.
func (w *walLog) StoreLogs(logs []*raft.Log) error {
	if len(logs) == 0 {
		return nil
	}
	w.cutting.Lock()
	defer w.cutting.Unlock()
	last, err := w.LastIndex()
	if err != nil {
		return err
	}
	if last > 0 && logs[0].Index > last+1 {
		if err := w.empty(last); err != nil {
			return fmt.Errorf("emptying the log before a gap: %w", err)
		}
	}
	return w.WAL.StoreLogs(logs)
}

// GetLog implements [raft.LogStore]. raft-wal still finds entries that were cut off the
// front, as long as their segment is the last one.
func (w *walLog) GetLog(index uint64, l *raft.Log) error {
	first, err := w.FirstIndex()
	if err != nil {
		return err
	}
	if index < first {
		return raft.ErrLogNotFound
	}
	return w.WAL.GetLog(index, l)
}

func (w *walLog) empty(last uint64) error {
	first, err := w.FirstIndex()
	if err != nil {
		return err
	}
	return w.WAL.DeleteRange(first, last)
}

// DeleteRange implements [raft.LogStore]. The range is at an end of the log.
func (w *walLog) DeleteRange(low, high uint64) error {
	w.cutting.Lock()
	defer w.cutting.Unlock()
	return w.WAL.DeleteRange(low, high)
}
