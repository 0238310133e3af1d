package fsm

import (
	"errors"
	"fmt"
	"os"
)

// Spool says where sealed blocks of an outbox go that memory has no room for. Without a
// directory all stay in memory.
type Spool struct {
	Dir         string // exists, and is on a disk with room for Settings.OutboxBytesMax and the window
	MemoryBytes int64  // of sealed blocks that stay in memory; the newest ones do
	FloodBytes  int64  // with more of them in memory, because the disk does not take them, a leader takes no more
}

// spoolFileBytes is the size, more or less, of a file with blocks. It is what the disk
// gets back at once.
const spoolFileBytes = 64 << 20

// spool writes blocks to files. They hold nothing that the log and the last snapshot do
// not have, and a restart applies those: so a file needs no sync, and no name. It has
// none from the beginning, belongs to whoever has one of its blocks, and gives its room
// back when the garbage collector finds that nobody does.
type spool struct {
	Spool
	file *os.File
	size int64
}

// write writes a block at the end of the present file, and returns it as it is then.
func (s *spool) write(b outboxBlock) (outboxBlock, error) {
	if s.file == nil || s.size >= spoolFileBytes {
		file, err := os.CreateTemp(s.Dir, "outbox-")
		if err != nil {
			return b, err
		}
		if err := os.Remove(file.Name()); err != nil {
			return b, errors.Join(err, file.Close())
		}
		s.file, s.size = file, 0
	}
	if _, err := s.file.WriteAt(b.data, s.size); err != nil {
		s.file = nil // it belongs to the blocks that are in it
		return b, err
	}
	b.file, b.offset, b.data, b.buffer = s.file, s.size, nil, nil
	s.size += b.bytes
	return b, nil
}

// crowded reports whether memory has more sealed blocks than it should.
func (o *outbox) crowded() bool {
	return o.spool.Dir != "" && o.memory > o.spool.MemoryBytes
}

// floods reports whether spooling has fallen far behind.
func (o *outbox) floods() bool {
	return o.spool.Dir != "" && o.memory > o.spool.FloodBytes
}

// spoolFirst spools the oldest of the blocks in memory. It is for an outbox that nobody
// else has yet.
func (o *outbox) spoolFirst() error {
	b, err := o.spool.write(o.sealed[o.spooled])
	if err == nil {
		o.replace(b)
	}
	return err
}

// replace has b, which is on disk now, instead of the oldest block in memory, unless that
// has been dropped meanwhile.
func (o *outbox) replace(b outboxBlock) {
	if o.spooled < len(o.sealed) && o.sealed[o.spooled].last == b.last {
		o.sealed[o.spooled] = b
		o.spooled++
		o.memory -= b.bytes
	}
}

// UseSpool says where the outbox goes that memory has no room for. It is called before
// anything else; then [Machine.SpoolOutbox] must be called whenever
// [Machine.OutboxCrowded] says so.
func (m *Machine) UseSpool(s Spool) {
	m.spool = s
	m.mu.state.outbox.spool.Spool = s
}

// OutboxCrowded has an element when there is work for [Machine.SpoolOutbox].
func (m *Machine) OutboxCrowded() <-chan struct{} { return m.crowded }

// SpoolOutbox moves blocks of the outbox to disk, the oldest first, until no more are in
// memory than [Spool] allows. It is called by one goroutine at a time, and waits for the
// disk without holding up anything else. After an error everything is as it was, in
// memory: it may be called again.
func (m *Machine) SpoolOutbox() error {
	for {
		m.mu.RLock()
		o := &m.mu.state.outbox
		if !o.crowded() || o.spooled == len(o.sealed) {
			m.mu.RUnlock()
			return nil
		}
		b := o.sealed[o.spooled].lend()
		m.mu.RUnlock()
		b, err := o.spool.write(b)
		if err != nil {
			return fmt.Errorf("spooling the outbox of shard %d: %w", m.config.Shard, err)
		}
		m.mu.Lock()
		o.replace(b) // if it has been restored meanwhile, nobody has o any more
		m.mu.Unlock()
	}
}
