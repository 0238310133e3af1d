package node

import (
	"errors"
	"os"
	"sync/atomic"

	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"
)

// segmentFiler is raft-wal's, without its fault in cutting off the end of a log
// (hashicorp/raft-wal issue 31, fixed after v0.4.0): the segment in which the cut is
// made counts as sealed, but has no index in its file, and can after a restart not be
// read. It is read like one that is not sealed: by going through the file. What was
// cut off is still in it, and is not reached, as the next segment begins at the cut.
type segmentFiler struct{ *segment.Filer }

func newSegmentFiler(dir string) types.SegmentFiler {
	return segmentFiler{segment.NewFiler(dir, segmentFiles{fs.New()})}
}

// Open implements [types.SegmentFiler].
func (f segmentFiler) Open(info types.SegmentInfo) (types.SegmentReader, error) {
	if info.IndexStart == 0 {
		return f.RecoverTail(info)
	}
	return f.Filer.Open(info)
}

// segmentFiles are raft-wal's files with a cheaper sync.
//
// A segment has its full size from its beginning, so a later append changes its data
// and no size: fdatasync makes it durable, without the file's times, which fsync
// writes as well. The first sync is a whole one, and makes the file's name durable too:
// also of a file that was there, as the process may have ended before it did that.
type segmentFiles struct{ *fs.FS }

// Create implements [types.VFS].
func (s segmentFiles) Create(dir, name string, size uint64) (types.WritableFile, error) {
	f, err := s.FS.Create(dir, name, size)
	if err != nil {
		return nil, err
	}
	return &segmentFile{WritableFile: f, data: &f.(*fs.File).File, dir: dir}, nil
}

// OpenWriter implements [types.VFS].
func (s segmentFiles) OpenWriter(dir, name string) (types.WritableFile, error) {
	f, err := s.FS.OpenWriter(dir, name)
	if err != nil {
		return nil, err
	}
	return &segmentFile{WritableFile: f, data: f.(*os.File), dir: dir}, nil
}

type segmentFile struct {
	types.WritableFile
	data   *os.File // the same file
	dir    string
	synced atomic.Bool
}

// Sync implements [types.WritableFile].
func (f *segmentFile) Sync() error {
	if f.synced.Load() {
		return datasync(f.data)
	}
	if err := errors.Join(f.data.Sync(), syncDir(f.dir)); err != nil {
		return err
	}
	f.synced.Store(true)
	return nil
}
