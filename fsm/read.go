package fsm

import (
	"math"
	"slices"
	"strings"
	"sync"
)

// Membership is one segment of a user.
type Membership struct {
	Segment string
	Expiry  int64 // Unix seconds, rounded up to the end of its bucket
}

// Counts calls visit with the number of live memberships of every segment that
// has any, in no particular order, and returns the index they belong to. now is
// in Unix seconds; a now up to five minutes before one given earlier reads as that
// one, and one further back as itself: the clock was set back. visit is
// called under the machine's lock: it must be quick and must not call back.
func (m *Machine) Counts(now int64, visit func(title string, count int64)) (index uint64) {
	defer m.lockAt(now).Unlock()
	for title, s := range m.mu.state.segments {
		if s.live > 0 {
			visit(title, s.live)
		}
	}
	return m.mu.state.index
}

// Count returns the number of live memberships of one segment at now.
func (m *Machine) Count(now int64, title []byte) (count int64, index uint64) {
	defer m.lockAt(now).Unlock()
	if s := m.mu.state.segments[string(title)]; s != nil {
		count = s.live
	}
	return count, m.mu.state.index
}

// User returns the live memberships of a user at now, sorted by segment.
func (m *Machine) User(now int64, id []byte) []Membership {
	defer m.lockAt(now).Unlock()
	st := m.mu.state
	k := st.keyOf(id)
	var held []Membership
	for title, s := range st.segments {
		spot := s.table.Find(st.tables, k)
		if b := spot.Bucket(); b > st.horizon {
			held = append(held, Membership{title, int64(b) * st.bucketSeconds})
		}
	}
	slices.SortFunc(held, func(a, b Membership) int { return strings.Compare(a.Segment, b.Segment) })
	return held
}

// MappedBytes returns the memory, in bytes, that the memberships and their counts have
// touched outside Go's heap. It does not shrink: what is freed waits for later ones.
func (m *Machine) MappedBytes() int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.mu.state.tables.Bytes() + m.mu.state.tallies.Bytes()
}

// UsedBytes returns how much of it is not free, in bytes.
func (m *Machine) UsedBytes() int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.mu.state.tables.Used() + m.mu.state.tallies.Used()
}

// clockStep is by how much, in seconds, a reader's clock must be behind the latest
// one given for the clock to have been set back. Less than that is a small
// correction, which reads wait out: they do not go back in time for it.
const clockStep = 300

// lockAt locks the machine for a read at now and returns what unlocks it: for reading
// if the horizon is there already, and for writing if it had to be moved, because a
// bucket has ended since the last read or the clock was set back. So the horizon stays
// where this read needs it, whatever now another read comes with.
func (m *Machine) lockAt(now int64) sync.Locker {
	m.mu.RLock()
	if st := m.mu.state; st.horizonAt(now) == st.horizon {
		return m.mu.RLocker()
	}
	m.mu.RUnlock()
	m.mu.Lock()
	m.mu.state.moveHorizon(m.mu.state.horizonAt(now))
	return &m.mu
}

// horizonAt returns where the horizon belongs for a reader's now.
func (st *state) horizonAt(now int64) uint32 {
	ended := max(st.endedBucket(now), st.watermark)
	if ended < st.horizon && st.endedBucket(min(now, math.MaxInt64-clockStep)+clockStep) >= st.horizon {
		return st.horizon
	}
	return ended
}

// Stats is a consistent look at the machine.
type Stats struct {
	Index       uint64
	Digest      uint64 // equal on every replica at this index
	Time        int64  // Unix seconds
	Watermark   int64  // Unix seconds: the end of the last drained bucket
	LastTick    int64  // Unix seconds
	Settings    Settings
	Memberships int64 // stored, expired but undrained ones included
	Segments    int
	OutboxRows  int64
	OutboxBytes int64
	OutboxSince int64  // Unix seconds; when the oldest entry of the outbox was applied, 0 if it is empty
	OutboxAcked uint64 // see OutboxAcked

	OutboxWindowBytes int64 // of entries that PostgreSQL has
	OutboxMemoryBytes int64 // of both, what is not on disk; differs between replicas
}

// Stats returns a consistent look at the machine. It is cheap: nothing is visited.
func (m *Machine) Stats() Stats {
	m.mu.RLock()
	defer m.mu.RUnlock()
	st := m.mu.state
	s := Stats{
		Index:       st.index,
		Digest:      st.digest(),
		Time:        st.time,
		Watermark:   int64(st.watermark) * st.bucketSeconds,
		LastTick:    st.lastTick,
		Settings:    st.settings,
		Memberships: st.members,
		Segments:    len(st.segments),
		OutboxRows:  st.outbox.rows(),
		OutboxBytes: st.outbox.bytes(),
		OutboxSince: st.outbox.oldest(),
		OutboxAcked: st.outbox.acked,

		OutboxWindowBytes: st.outbox.windowBytes(),
		OutboxMemoryBytes: st.outbox.memory + st.outbox.open.bytes,
	}
	return s
}
