package fsm

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/raft"
)

// snapshotVersion is raised when the frames change meaning.
const snapshotVersion = 1

// The kinds of frame, in the order in which they come.
const (
	frameHeader  = 'H'
	frameSegment = 'S' // a title; the members that follow are its
	frameMembers = 'M'
	frameOrigin  = 'O'
	frameOutbox  = 'P'
	frameHistory = 'T'
	frameEnd     = 'E' // how many of each there were, and the digest
)

const (
	memberBytes     = 16 + 4
	membersPerFrame = 4096
)

// snapshot is the state at one index, held still: pieces are frozen, the rest is
// copied or immutable.
type snapshot struct {
	machine  *Machine
	state    *state // whose pieces are frozen, under the machine's lock; nil once released
	header   []byte
	segments []frozenSegment
	origins  map[string]origin
	outbox   []outboxEntry
	history  []HistoryPoint
	members  int64
	digest   uint64
	// watermark is the one of the snapshot's index: slots at or below it are
	// left out.
	watermark uint32
}

type frozenSegment struct {
	title  string
	pieces [tablePieces]*piece
}

// Snapshot holds the state still. It copies pointers, not memberships: a piece is
// copied when Apply first writes to it while the snapshot is being persisted.
// It implements [raft.FSM].
func (m *Machine) Snapshot() (raft.FSMSnapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	st := m.mu.state
	st.freeze.epoch++
	st.freeze.held++
	s := &snapshot{
		machine:   m,
		state:     st,
		header:    m.header(),
		segments:  make([]frozenSegment, 0, len(st.segments)),
		origins:   make(map[string]origin, len(st.origins)),
		outbox:    slices.Clone(st.outbox.entries),
		history:   slices.Clone(st.history),
		members:   st.members,
		digest:    st.digest(),
		watermark: st.watermark,
	}
	for title, seg := range st.segments {
		s.segments = append(s.segments, frozenSegment{title, seg.table.pieces})
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
		st.index, uint64(st.time), uint64(st.watermark), uint64(st.lastTick), st.outbox.acked,
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
	buf := make([]byte, 0, membersPerFrame*memberBytes)
	for i := range s.segments {
		if err := s.writeSegment(f, &s.segments[i], buf); err != nil {
			return err
		}
		s.segments[i].pieces = [tablePieces]*piece{} // let go of what is written
	}
	for _, name := range slices.Sorted(maps.Keys(s.origins)) {
		if err := f.frame(frameOrigin, appendOrigin(nil, name, s.origins[name])); err != nil {
			return err
		}
	}
	for _, e := range s.outbox {
		if err := f.frame(frameOutbox, e.append(nil)); err != nil {
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

// writeSegment writes a segment and its members, by way of the empty buf.
func (s *snapshot) writeSegment(f *frameWriter, seg *frozenSegment, buf []byte) error {
	if err := f.frame(frameSegment, []byte(seg.title)); err != nil {
		return err
	}
	for _, p := range seg.pieces {
		if p == nil {
			continue
		}
		for k, bucket := range p.slots {
			if bucket <= s.watermark {
				continue
			}
			buf = binary.LittleEndian.AppendUint64(buf, k.hi)
			buf = binary.LittleEndian.AppendUint64(buf, k.lo)
			buf = binary.LittleEndian.AppendUint32(buf, bucket)
			if len(buf) == cap(buf) {
				if err := f.frame(frameMembers, buf); err != nil {
					return err
				}
				buf = buf[:0]
			}
		}
	}
	if len(buf) == 0 {
		return nil
	}
	return f.frame(frameMembers, buf)
}

// Release lets Apply write to pieces again without copying them, once no other
// snapshot of the same state is held. It implements [raft.FSMSnapshot].
func (s *snapshot) Release() {
	s.machine.mu.Lock()
	defer s.machine.mu.Unlock()
	if s.state != nil {
		s.state.freeze.held--
		s.state = nil
	}
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

func (e outboxEntry) append(b []byte) []byte {
	for _, v := range [...]uint64{e.index, uint64(e.rows), uint64(e.time)} {
		b = binary.AppendUvarint(b, v)
	}
	return append(b, e.records...)
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
