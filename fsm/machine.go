package fsm

import (
	"context"
	"encoding/binary"
	"math"
	"sync"
	"sync/atomic"

	"headcount/fsm/internal/table"
	"headcount/fsm/internal/tally"
)

// Config is what a machine is born with. It is the same on every replica of the
// shard and never changes; a snapshot of another Config is refused.
type Config struct {
	Shard         uint32
	Incarnation   [16]byte // of the cluster
	HashKey       [16]byte // keys the hash of user IDs
	BucketSeconds int64    // width of a bucket, >= 1
	BlockBytes    int64    // what the outbox keeps and drops at once, more or less, >= 1
	Born          int64    // Unix seconds, >= 0; time begins here: nothing earlier is counted, no earlier tick is owed
}

// Machine is the state machine of one shard. Make one with [New].
type Machine struct {
	config  Config
	spool   Spool
	crowded chan struct{} // see OutboxCrowded

	mu struct {
		sync.RWMutex
		state *state
		// changed is closed at the next change, if anybody waits for it.
		changed chan struct{}
	}

	index   atomic.Uint64 // of state, readable without the lock
	changes atomic.Uint64 // see Changes
}

// state is everything that is replicated, and the horizon of the reader.
type state struct {
	bucketSeconds int64
	hashKey       [2]uint64

	index     uint64 // of the last entry applied
	time      int64  // Unix seconds; the highest that any entry carried, see setTime
	current   uint32 // the last bucket that has ended by then
	watermark uint32 // buckets up to it are drained
	lastTick  int64  // Unix seconds; the scheduled instant of the last tick
	settings  Settings

	segments  map[string]*segment
	members   int64  // stored memberships
	memberSum uint64 // Σ of their digests
	sums      bucketSums

	origins   map[string]*origin
	originSum uint64

	outbox outbox

	history    []HistoryPoint // oldest first
	historySum uint64

	// Not replicated.
	horizon     uint32     // live counts leave out the buckets up to it; >= watermark
	numbered    []*segment // by the owner number of their tables
	freeNumbers []uint32
	tables      *table.Memory
	tallies     *tally.Memory
	reclaims    reclaims
	ahead       [aheadRecords]upcoming // the records that are being applied
	news        []byte                 // scratch: the records of an entry that PostgreSQL must hear of
	written     userFilter             // who was written since lookAhead
}

// New returns an empty machine, as every replica begins.
func New(c Config) *Machine {
	m := &Machine{config: c, crowded: make(chan struct{}, 1)}
	m.mu.state = newState(c, Spool{})
	return m
}

func newState(c Config, s Spool) *state {
	st := &state{
		bucketSeconds: c.BucketSeconds,
		hashKey: [2]uint64{
			binary.LittleEndian.Uint64(c.HashKey[:8]),
			binary.LittleEndian.Uint64(c.HashKey[8:]),
		},
		lastTick: c.Born,
		segments: make(map[string]*segment),
		origins:  make(map[string]*origin),
		tables:   table.NewMemory(),
		tallies:  tally.NewMemory(),
		outbox:   outbox{blockBytes: int(c.BlockBytes), spool: spool{Spool: s}},
	}
	st.setTime(c.Born)
	st.watermark = st.current
	st.horizon = st.watermark
	return st
}

// bucketOf returns the bucket in which an expiry falls. It is ok if a table can hold
// it: at most 2²⁶ buckets above the watermark, which is 127 years of minutes and 776
// days of seconds.
func (st *state) bucketOf(expiry int64) (bucket uint32, ok bool) {
	b := expiry / st.bucketSeconds
	if expiry%st.bucketSeconds != 0 {
		b++
	}
	return uint32(b), expiry >= 0 && b <= min(int64(st.watermark)+table.Reach, math.MaxUint32)
}

// endedBucket returns the last bucket that has ended at an instant.
func (st *state) endedBucket(at int64) uint32 {
	return uint32(min(max(at, 0)/st.bucketSeconds, math.MaxUint32))
}

// setTime moves the machine's time.
func (st *state) setTime(now int64) {
	st.time, st.current = now, st.endedBucket(now)
}

// publish tells the readers that the state has changed, and whoever spools the outbox
// if there is need. The caller holds mu.
func (m *Machine) publish() {
	m.index.Store(m.mu.state.index)
	m.changes.Add(1)
	if m.mu.changed != nil {
		close(m.mu.changed)
		m.mu.changed = nil
	}
	if m.mu.state.outbox.crowded() {
		select {
		case m.crowded <- struct{}{}:
		default: // it knows
		}
	}
}

// Index returns the index of the last entry applied. Entries that Raft keeps for
// itself never reach the machine and are not counted: wait only for an index that
// a machine has reported.
func (m *Machine) Index() uint64 { return m.index.Load() }

// Changes returns a number that grows whenever a count may have changed, other
// than by the passing of time. It costs one atomic load.
func (m *Machine) Changes() uint64 { return m.changes.Load() }

// Changed returns a channel that is closed at the next change.
func (m *Machine) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.changed == nil {
		m.mu.changed = make(chan struct{})
	}
	return m.mu.changed
}

// WaitIndex waits until the entry at index has been applied, or ctx ends.
func (m *Machine) WaitIndex(ctx context.Context, index uint64) error {
	for m.Index() < index {
		changed := m.Changed()
		if m.Index() >= index {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
