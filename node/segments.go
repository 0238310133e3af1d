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
	return newSegmentFile(f, &f.(*fs.File).File, dir)
}

// OpenWriter implements [types.VFS].
func (s segmentFiles) OpenWriter(dir, name string) (types.WritableFile, error) {
	f, err := s.FS.OpenWriter(dir, name)
	if err != nil {
		return nil, err
	}
	return newSegmentFile(f, f.(*os.File), dir)
}

type segmentFile struct {
	types.WritableFile
	data   *os.File // the same file
	dir    string
	size   int64
	synced atomic.Bool

	zeroed int64 // up to where, at least, the disk has blocks with something in them
}

func newSegmentFile(f types.WritableFile, data *os.File, dir string) (types.WritableFile, error) {
	info, err := data.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &segmentFile{WritableFile: f, data: data, dir: dir, size: info.Size()}, nil
}

const (
	// zeroAppendMax is the largest append that counts as small.
	zeroAppendMax = 32 << 10
	// zeroAheadBytes are zeroed at once: some dozens of small appends, and half a
	// millisecond more for the sync that they fall to.
	zeroAheadBytes = 256 << 10
)

var zeros [zeroAheadBytes]byte

// WriteAt implements [types.WritableFile]. Appends come one at a time.
//
// A segment is allocated, but its blocks count as unwritten: the first sync of each has
// the file system note, in its own journal, that they are not any more, and wait for that
// as well. So a small append writes zeros ahead of itself, once for many that follow;
// theirs is then a sync of their own bytes alone, in 0.7 of the time. What follows the
// last append reads as zeros either way.
func (f *segmentFile) WriteAt(p []byte, offset int64) (int, error) {
	n, err := f.WritableFile.WriteAt(p, offset)
	end := offset + int64(n)
	if err != nil || len(p) > zeroAppendMax || end <= f.zeroed {
		return n, err
	}
	f.zeroed = min(end+zeroAheadBytes, f.size)
	if end < f.zeroed {
		_, err = f.WritableFile.WriteAt(zeros[:f.zeroed-end], end)
	}
	return n, err
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
