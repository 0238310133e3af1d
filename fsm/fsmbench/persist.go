package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"

	"headcount/fsm"
)

// fileSink writes a snapshot to a file, and to the disk when it is closed.
type fileSink struct {
	*os.File
	bytes int64
}

var _ raft.SnapshotSink = (*fileSink)(nil)

func newFileSink(path string) (*fileSink, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("creating the snapshot's file: %w", err)
	}
	return &fileSink{File: file}, nil
}

func (s *fileSink) Write(p []byte) (int, error) {
	n, err := s.File.Write(p)
	s.bytes += int64(n)
	return n, err
}

func (s *fileSink) ID() string { return s.Name() }

func (s *fileSink) Close() error { return errors.Join(s.Sync(), s.File.Close()) }

func (s *fileSink) Cancel() error { return s.File.Close() }

// persisting is one snapshot on its way to a file, on a goroutine of its own, as Raft
// does it.
type persisting struct {
	done  chan struct{} // closed when all below is set
	err   error
	took  time.Duration
	bytes int64
}

// persist calls Snapshot on this goroutine and Persist and Release on another.
func persist(m *fsm.Machine, path string) (p *persisting, call time.Duration, err error) {
	sink, err := newFileSink(path)
	if err != nil {
		return nil, 0, err
	}
	began := time.Now()
	snapshot, err := m.Snapshot()
	call = time.Since(began)
	if err != nil {
		return nil, call, errors.Join(fmt.Errorf("taking a snapshot: %w", err), sink.Cancel())
	}
	p = &persisting{done: make(chan struct{})}
	go func() {
		defer close(p.done)
		began := time.Now()
		p.err = snapshot.Persist(sink)
		p.took, p.bytes = time.Since(began), sink.bytes
		snapshot.Release()
	}()
	return p, call, nil
}

// isDone reports whether the snapshot is on the disk, or failed.
func (p *persisting) isDone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// persister persists one snapshot after the other.
type persister struct {
	machine   *fsm.Machine
	path      string
	current   *persisting // nil: none
	persisted int
	calls     times // of Snapshot
}

func newPersister(m *fsm.Machine, directory string) *persister {
	return &persister{machine: m, path: filepath.Join(directory, "stall.snapshot"), calls: newTimes()}
}

// turn begins the next snapshot if none is on its way.
func (p *persister) turn() error {
	if p.current != nil {
		if !p.current.isDone() {
			return nil
		}
		if err := p.finish(); err != nil {
			return err
		}
	}
	current, call, err := persist(p.machine, p.path)
	if err != nil {
		return err
	}
	p.current = current
	p.calls.add(call)
	return nil
}

// finish waits for the snapshot on its way.
func (p *persister) finish() error {
	if p.current == nil {
		return nil
	}
	<-p.current.done
	if p.current.err != nil {
		return p.current.err
	}
	p.current = nil
	p.persisted++
	return nil
}
