package fsm_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"headcount/fsm"
)

// replica is a machine and the now at which reads see it.
type replica struct {
	*fsm.Machine
	readAt int64
	width  int64 // of a bucket, in seconds
}

func newReplica(c fsm.Config) *replica {
	return &replica{Machine: fsm.New(c), width: c.BucketSeconds}
}

// clock takes note of a read at now: the latest counts, unless it is so far ahead
// that the clock must have been set back.
func (r *replica) clock(now int64) {
	if now > r.readAt || (now+300)/r.width < r.readAt/r.width {
		r.readAt = now
	}
}

func (r *replica) apply(index uint64, data []byte) any {
	return r.Apply(&raft.Log{Index: index, Type: raft.LogCommand, Data: data})
}

// view is everything that can be read from a machine but its digest.
type view struct {
	stats   fsm.Stats
	counts  map[string]int64
	users   map[string][]fsm.Membership
	outbox  []news
	full    bool
	history []fsm.HistoryPoint
}

// view reads everything at the latest now, so that it moves no horizon.
func (r *replica) view(ids []string) view {
	v := view{
		stats:   r.Stats(),
		counts:  map[string]int64{},
		users:   map[string][]fsm.Membership{},
		full:    r.OutboxIsFull(),
		history: r.History(),
	}
	v.stats.Digest, v.stats.OutboxMemoryBytes = 0, 0
	r.Counts(r.readAt, func(title string, count int64) { v.counts[title] = count })
	for _, id := range ids {
		v.users[id] = r.User(r.readAt, []byte(id))
	}
	v.outbox = outboxOf(r.Machine, 0, 1)
	return v
}

// outboxOf reads the outbox above index, at most rowsMax rows at a time, as
// flushing to PostgreSQL does. Only the machine knows the times of its entries.
func outboxOf(m *fsm.Machine, index uint64, rowsMax int) (outbox []news) {
	for b, ok := m.OutboxNext(index, rowsMax); ok; b, ok = m.OutboxNext(index, rowsMax) {
		index = b.Index
		n := news{index: b.Index}
		for _, data := range b.Records {
			n.records = append(n.records, decodeRecords(data)...)
		}
		if len(n.records) != b.Rows {
			panic(fmt.Sprintf("%d rows announced, %d given", b.Rows, len(n.records)))
		}
		outbox = append(outbox, n)
	}
	return outbox
}

func decodeRecords(data []byte) (records []request) {
	for len(data) > 0 {
		r, rest, err := fsm.NextRecord(data)
		if err != nil {
			panic(fmt.Sprintf("the outbox holds what does not decode: %v", err))
		}
		records, data = append(records, requestOf(r)), rest
	}
	return records
}

// view is what a replica must show that was last read at readAt.
func (m *model) view(readAt int64, ids []string) view {
	v := view{
		stats: fsm.Stats{
			Index:       m.index,
			Time:        m.time,
			Watermark:   m.drained,
			LastTick:    m.lastTick,
			Settings:    m.settings,
			Memberships: int64(len(m.ends)),
			Segments:    len(m.titles()),
			OutboxBytes: bytesOf(m.owed()),
			OutboxAcked: m.acked,

			OutboxWindowBytes: m.windowBytes(),
		},
		counts: m.counts(readAt),
		users:  map[string][]fsm.Membership{},
		full:   m.outboxIsFull(),
	}
	for _, id := range ids {
		v.users[id] = m.user(readAt, id)
	}
	if owed := m.owed(); len(owed) > 0 {
		v.stats.OutboxSince = owed[0].time
	}
	for _, n := range m.owed() {
		v.stats.OutboxRows += int64(len(n.records))
	}
	for _, n := range slices.Concat(m.blocks...) {
		v.outbox = append(v.outbox, news{index: n.index, records: n.records})
	}
	v.history = append(v.history, m.history...)
	return v
}

func (m *model) user(readAt int64, id string) (held []fsm.Membership) {
	for who, end := range m.ends {
		if who.id == id && end > readAt {
			held = append(held, fsm.Membership{Segment: who.segment, Expiry: end})
		}
	}
	slices.SortFunc(held, func(a, b fsm.Membership) int { return strings.Compare(a.Segment, b.Segment) })
	return held
}

// String is equal for equal views and for no others: fmt sorts maps, and prints
// what is empty and what is nil alike.
func (v view) String() string {
	return fmt.Sprintf("stats    %+v\ncounts   %v\nusers    %v\noutbox   %v full=%t\nhistory  %v",
		v.stats, v.counts, v.users, v.outbox, v.full, v.history)
}

// sink keeps a snapshot in memory. It fails at the write that would pass room.
type sink struct {
	bytes.Buffer
	room              int
	closed, cancelled bool
}

func newSink() *sink { return &sink{room: math.MaxInt} }

func (s *sink) Write(p []byte) (int, error) {
	if s.Len()+len(p) > s.room {
		return 0, io.ErrShortWrite
	}
	return s.Buffer.Write(p)
}

func (s *sink) ID() string    { return "memory" }
func (s *sink) Close() error  { s.closed = true; return nil }
func (s *sink) Cancel() error { s.cancelled = true; return nil }

func takeSnapshot(t testing.TB, m *fsm.Machine) raft.FSMSnapshot {
	t.Helper()
	s, err := m.Snapshot()
	if err != nil {
		t.Fatalf("Snapshot: %v", err)
	}
	return s
}

// persist returns the bytes of a snapshot taken before.
func persist(t testing.TB, s raft.FSMSnapshot) []byte {
	t.Helper()
	to := newSink()
	if err := s.Persist(to); err != nil {
		t.Fatalf("Persist: %v", err)
	}
	if !to.closed || to.cancelled {
		t.Fatalf("Persist left the sink closed=%t cancelled=%t", to.closed, to.cancelled)
	}
	return to.Bytes()
}

// snapshotOf returns the bytes of a snapshot of m as it is.
func snapshotOf(t testing.TB, m *fsm.Machine) []byte {
	t.Helper()
	s := takeSnapshot(t, m)
	defer s.Release()
	return persist(t, s)
}

func restore(m *fsm.Machine, data []byte) error {
	return m.Restore(io.NopCloser(bytes.NewReader(data)))
}
