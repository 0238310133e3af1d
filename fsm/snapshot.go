package fsm

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"github.com/hashicorp/raft"

	"headcount/fsm/internal/table"
)

// snapshotVersion is raised when the frames change meaning.
const snapshotVersion = 4

// The kinds of frame, in the order in which they come.
const (
	frameHeader  = 'H'
	frameSegment = 'S' // its number in this snapshot, how many members it has, its title
	frameMembers = 'M' // runs of members: number of the segment, how many, the members
	frameOrigin  = 'O'
	frameOutbox  = 'P' // a block; the last may be the open one
	frameHistory = 'T'
	frameEnd     = 'E' // how many of each there were, and the digest
)

const (
	memberBytes     = 8 + 2 + 4 // low and high bits of the key, bucket
	membersPerFrame = 1024      // or somewhat more: what is read under the lock at once
)

// snapshot is the state at one index, held still: the tables by a view, the rest by
// copies of what is not immutable.
type snapshot struct {
	machine  *Machine
	state    *state // whose tables are viewed, under the machine's lock; nil once released
	view     *table.View
	header   []byte
	segments []heldSegment // largest first
	origins  map[string]origin
	outbox   []outboxBlock
	history  []HistoryPoint
	members  int64
	digest   uint64
	// watermark is the one of the snapshot's index: members at or below it are
	// left out.
	watermark uint32
}

type heldSegment struct {
	number uint32
	stored int64
	title  string
}

// Snapshot holds the state still. It copies no memberships: a piece of a table is
// copied when Apply first writes to it before it is persisted.
// It implements [raft.FSM].
func (m *Machine) Snapshot() (raft.FSMSnapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	st := m.mu.state
	s := &snapshot{
		machine:   m,
		state:     st,
		view:      st.tables.Open(nil, 0),
		header:    m.header(),
		segments:  make([]heldSegment, 0, len(st.segments)),
		origins:   make(map[string]origin, len(st.origins)),
		outbox:    st.outbox.blocks(),
		history:   slices.Clone(st.history),
		members:   st.members,
		digest:    st.digest(),
		watermark: st.watermark,
	}
	for title, seg := range st.segments {
		s.segments = append(s.segments, heldSegment{seg.table.Owner, seg.stored, title})
	}
	for name, o := range st.origins {
		c := *o
		c.statuses = slices.Clone(o.statuses)
		s.origins[name] = c
	}
	return s, nil
}

func (m *Machine) header() []byte {
	st := m.mu.state
	b := []byte{snapshotVersion}
	b = m.config.append(b)
	for _, v := range [...]uint64{
		st.index, uint64(st.time), uint64(st.watermark), uint64(st.lastTick), st.outbox.acked, st.outbox.dropped,
	} {
		b = binary.AppendUvarint(b, v)
	}
	return st.settings.append(b)
}

func (c Config) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(c.Shard))
	b = append(b, c.Incarnation[:]...)
	b = append(b, c.HashKey[:]...)
	b = binary.AppendUvarint(b, uint64(c.BucketSeconds))
	b = binary.AppendUvarint(b, uint64(c.BlockBytes))
	return binary.AppendUvarint(b, uint64(c.Born))
}

// Persist writes the snapshot. It implements [raft.FSMSnapshot].
func (s *snapshot) Persist(sink raft.SnapshotSink) error {
	f := newFrameWriter(sink)
	err := s.write(f)
	if err == nil {
		err = f.w.Flush()
	}
	if err != nil {
		_ = sink.Cancel() // if it fails too, that came of err
	} else {
		err = sink.Close()
	}
	if err != nil {
		return fmt.Errorf("writing the snapshot of shard %d: %w", s.machine.config.Shard, err)
	}
	return nil
}

func (s *snapshot) write(f *frameWriter) error {
	if err := f.frame(frameHeader, s.header); err != nil {
		return err
	}
	// The largest come first, for what Restore prepares.
	slices.SortFunc(s.segments, func(a, b heldSegment) int {
		return cmp.Or(cmp.Compare(b.stored, a.stored), cmp.Compare(a.title, b.title))
	})
	for _, seg := range s.segments {
		if err := f.frame(frameSegment, seg.append(nil)); err != nil {
			return err
		}
	}
	if err := s.writeMembers(f); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(s.origins)) {
		if err := f.frame(frameOrigin, appendOrigin(nil, name, s.origins[name])); err != nil {
			return err
		}
	}
	for i := range s.outbox {
		if err := f.frame(frameOutbox, s.outbox[i].read()); err != nil {
			return err
		}
	}
	for _, p := range s.history {
		if err := f.frame(frameHistory, p.append(nil)); err != nil {
			return err
		}
	}
	var end []byte
	for _, n := range [...]int{len(s.segments), int(s.members), len(s.origins), len(s.outbox), len(s.history)} {
		end = binary.AppendUvarint(end, uint64(n))
	}
	return f.frame(frameEnd, binary.LittleEndian.AppendUint64(end, s.digest))
}

// writeMembers writes the memberships, a frame at a time: it holds the machine's lock,
// shared, while it reads those of a frame.
func (s *snapshot) writeMembers(f *frameWriter) error {
	var buf []byte
	run := func(owner uint32, members []table.Membership) {
		buf = appendRun(buf, owner, members, s.watermark)
	}
	for more := true; more; {
		buf = buf[:0]
		s.machine.mu.RLock()
		more = s.view.Read(membersPerFrame, run)
		s.machine.mu.RUnlock()
		runtime.Gosched() // Apply may be waiting: on a busy machine, for this very processor
		if len(buf) == 0 {
			continue
		}
		if err := f.frame(frameMembers, buf); err != nil {
			return err
		}
	}
	return nil
}

// appendRun appends the members above the watermark, if there are any.
func appendRun(b []byte, number uint32, members []table.Membership, watermark uint32) []byte {
	begin := len(b)
	b = binary.LittleEndian.AppendUint32(b, number)
	b = append(b, 0, 0) // how many, see below
	count := uint16(0)
	for _, x := range members {
		if x.Bucket <= watermark {
			continue
		}
		b = binary.LittleEndian.AppendUint64(b, x.Key.Lo)
		b = binary.LittleEndian.AppendUint16(b, x.Key.Hi)
		b = binary.LittleEndian.AppendUint32(b, x.Bucket)
		count++
	}
	if count == 0 {
		return b[:begin]
	}
	binary.LittleEndian.PutUint16(b[begin+4:], count)
	return b
}

// Release lets Apply write without copying, once no other view of the same tables is
// open. It implements [raft.FSMSnapshot].
func (s *snapshot) Release() {
	s.machine.mu.Lock()
	defer s.machine.mu.Unlock()
	if s.state != nil {
		s.view.Close()
		s.state, s.view = nil, nil
	}
}

func (s heldSegment) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.number))
	b = binary.AppendUvarint(b, uint64(s.stored))
	return append(b, s.title...)
}

func appendOrigin(b []byte, name string, o origin) []byte {
	b = append(b, byte(len(name)))
	b = append(b, name...)
	for _, v := range [...]uint64{o.epoch, o.sequence, o.index, uint64(len(o.statuses))} {
		b = binary.AppendUvarint(b, v)
	}
	for _, s := range o.statuses {
		b = append(b, byte(s))
	}
	return b
}

func (p HistoryPoint) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(p.At))
	b = binary.AppendUvarint(b, uint64(len(p.Titles)))
	for i, title := range p.Titles {
		b = append(b, byte(len(title)))
		b = append(b, title...)
		b = binary.AppendUvarint(b, uint64(p.Counts[i]))
	}
	return b
}
