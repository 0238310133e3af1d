package fsm_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"

	"headcount/fsm"
)

// model is what a shard promises, as a plain map of memberships. It knows nothing
// of buckets by number, of tables or of sums: an expiry is rounded up to the end
// of its bucket, and a membership counts before that instant.
type model struct {
	width int64 // of a bucket, in seconds
	block int64 // so many bytes, and it is sealed
	index uint64
	facts
}

// facts is everything that replicas must agree on, and that their digest covers.
type facts struct {
	ends     map[membership]int64 // Unix seconds; of every membership not drained
	time     int64
	drained  int64 // memberships that ended by then are gone
	lastTick int64
	settings fsm.Settings
	origins  map[string]lastBatch
	blocks   [][]news // the outbox; the last block is open
	acked    uint64
	dropped  uint64
	history  []fsm.HistoryPoint
}

type membership struct{ id, segment string }

// lastBatch is what an origin is remembered by.
type lastBatch struct {
	epoch, sequence, index uint64
	statuses               []fsm.Status
}

// news is what PostgreSQL must hear of one entry.
type news struct {
	index   uint64
	time    int64
	records []request
	bytes   int64 // of the encoded records; once it is in the outbox, of all of it
}

// request is a record that can be compared and printed.
type request struct {
	op          fsm.Op
	expiry      int64
	id, segment string
}

func newModel(c fsm.Config) *model {
	return &model{width: c.BucketSeconds, block: c.BlockBytes, facts: facts{
		blocks:   make([][]news, 1),
		ends:     map[membership]int64{},
		origins:  map[string]lastBatch{},
		time:     c.Born,
		drained:  roundDown(c.Born, c.BucketSeconds),
		lastTick: c.Born,
	}}
}

// fingerprint is equal for equal facts and for no others: fmt sorts maps.
func (m *model) fingerprint() string { return fmt.Sprintf("%v", m.facts) }

func roundUp(at, width int64) int64   { return (at + width - 1) / width * width }
func roundDown(at, width int64) int64 { return at / width * width }

// apply returns what the machine must return.
func (m *model) apply(index uint64, e entry) any {
	m.index = index
	switch e := e.(type) {
	case batches:
		return m.applyBatches(e)
	case tick:
		m.applyTick(e)
	case ack:
		m.applyAck(uint64(e))
	case settings:
		if e.Revision > m.settings.Revision {
			m.settings = fsm.Settings(e)
			m.trimHistory()
			m.narrowWindow()
		}
	}
	return nil
}

func (m *model) applyBatches(e batches) fsm.Result {
	m.time = max(m.time, e.now)
	full := m.outboxIsFull() // for the whole entry: its own news is added at its end
	heard := news{index: m.index, time: m.time}
	result := fsm.Result{Index: m.index}
	for _, b := range e.list {
		result.Batches = append(result.Batches, m.applyBatch(b, full, &heard))
	}
	if len(heard.records) > 0 {
		m.hear(heard)
	}
	return result
}

func (m *model) applyBatch(b batch, full bool, heard *news) fsm.BatchResult {
	last, known := m.origins[b.origin]
	switch {
	case known && b.epoch == last.epoch && b.sequence == last.sequence:
		return fsm.BatchResult{Verdict: fsm.Repeated, Statuses: last.statuses}
	case known && (b.epoch < last.epoch || b.epoch == last.epoch && b.sequence < last.sequence):
		return fsm.BatchResult{Verdict: fsm.Stale}
	case full:
		return fsm.BatchResult{Verdict: fsm.OutboxFull}
	}
	var statuses []fsm.Status
	for _, r := range b.records {
		status, isNews := m.applyRecord(r)
		statuses = append(statuses, status)
		if isNews && m.settings.OutboxBytesMax > 0 {
			heard.records = append(heard.records, requestOf(r))
			heard.bytes += int64(len(fsm.AppendRecord(nil, r)))
		}
	}
	m.origins[b.origin] = lastBatch{b.epoch, b.sequence, m.index, statuses}
	return fsm.BatchResult{Verdict: fsm.Applied, Statuses: statuses}
}

func requestOf(r fsm.Record) request {
	return request{r.Op, r.Expiry, string(r.ID), string(r.Segment)}
}

func (m *model) applyRecord(r fsm.Record) (status fsm.Status, isNews bool) {
	who := membership{string(r.ID), string(r.Segment)}
	switch r.Op {
	case fsm.OpPut:
		return m.put(who, r.Expiry)
	case fsm.OpDelete:
		end, held := m.ends[who]
		delete(m.ends, who)
		if held && end > m.time {
			return fsm.Deleted, true
		}
		return fsm.Absent, true
	default:
		maps.DeleteFunc(m.ends, func(k membership, _ int64) bool { return k.id == who.id })
		return fsm.Erased, true
	}
}

// reach is how many buckets above the drained ones a membership may end.
const reach = 1<<26 - 1

func (m *model) put(who membership, expiry int64) (status fsm.Status, isNews bool) {
	end := roundUp(expiry, m.width)
	old, held := m.ends[who]
	counted := held && old > m.time
	switch {
	case end/m.width > min(m.drained/m.width+reach, math.MaxUint32):
		return fsm.OutOfRange, false
	case counted && end < old:
		return fsm.Unchanged, false // PostgreSQL has a later one
	case counted && end == old:
		return fsm.Unchanged, true // PostgreSQL keeps exact seconds
	case expiry <= m.time:
		return fsm.Expired, true
	case !held && !m.titles()[who.segment] && uint64(len(m.titles())) >= m.settings.SegmentsMax:
		return fsm.SegmentsFull, false
	}
	m.ends[who] = end
	if counted {
		return fsm.Renewed, true
	}
	return fsm.Created, true
}

func (m *model) titles() map[string]bool {
	titles := map[string]bool{}
	for who := range m.ends {
		titles[who.segment] = true
	}
	return titles
}

func (m *model) applyTick(e tick) {
	m.time = max(m.time, e.Now, e.Scheduled)
	if e.Scheduled <= m.lastTick {
		return
	}
	m.lastTick = e.Scheduled
	m.drained = max(m.drained, roundDown(e.Scheduled, m.width))
	maps.DeleteFunc(m.ends, func(_ membership, end int64) bool { return end <= m.drained })
	point := fsm.HistoryPoint{At: e.Scheduled}
	counts := m.counts(m.drained)
	for _, title := range slices.Sorted(maps.Keys(counts)) {
		point.Titles = append(point.Titles, title)
		point.Counts = append(point.Counts, counts[title])
	}
	m.history = append(m.history, point)
	m.trimHistory()
	m.narrowWindow()
}

func (m *model) trimHistory() {
	if n := uint64(len(m.history)); n > m.settings.HistoryPoints {
		m.history = m.history[n-m.settings.HistoryPoints:]
	}
}

func (m *model) hear(n news) {
	for _, field := range []uint64{n.index, uint64(len(n.records)), uint64(n.time), uint64(n.bytes)} {
		n.bytes += int64(len(binary.AppendUvarint(nil, field)))
	}
	open := &m.blocks[len(m.blocks)-1]
	if *open = append(*open, n); bytesOf(*open) >= m.block {
		m.blocks = append(m.blocks, nil)
	}
}

func (m *model) applyAck(index uint64) {
	m.acked = max(m.acked, min(index, m.index))
	m.narrowWindow()
}

// has reports whether PostgreSQL has all of what is heard.
func (m *model) has(all []news) bool { return len(all) == 0 || all[len(all)-1].index <= m.acked }

// owed is what PostgreSQL does not have; a sealed block of which it has a part is owed
// whole.
func (m *model) owed() (owed []news) {
	open := len(m.blocks) - 1
	for _, b := range m.blocks[:open] {
		if !m.has(b) {
			owed = append(owed, b...)
		}
	}
	for _, n := range m.blocks[open] {
		if n.index > m.acked {
			owed = append(owed, n)
		}
	}
	return owed
}

func (m *model) windowBytes() int64 { return bytesOf(slices.Concat(m.blocks...)) - bytesOf(m.owed()) }

// narrowWindow drops whole blocks that PostgreSQL has, until the rest is neither too
// much nor too old.
func (m *model) narrowWindow() {
	for first := m.blocks[0]; len(first) > 0 && m.has(first); first = m.blocks[0] {
		last := first[len(first)-1]
		tooMuch := uint64(m.windowBytes()) > m.settings.OutboxWindowBytesMax
		tooOld := m.settings.OutboxWindowSeconds > 0 && uint64(m.time-last.time) > m.settings.OutboxWindowSeconds
		if !tooMuch && !tooOld {
			break
		}
		if m.dropped = last.index; len(m.blocks) == 1 {
			m.blocks[0] = nil
		} else {
			m.blocks = m.blocks[1:]
		}
	}
}

func bytesOf(all []news) (bytes int64) {
	for _, n := range all {
		bytes += n.bytes
	}
	return bytes
}

func (m *model) outboxIsFull() bool {
	limit := m.settings.OutboxBytesMax
	return limit > 0 && uint64(bytesOf(m.owed())) >= limit
}

// counts is what a reader sees whose latest now was readAt.
func (m *model) counts(readAt int64) map[string]int64 {
	counts := map[string]int64{}
	for who, end := range m.ends {
		if end > readAt {
			counts[who.segment]++
		}
	}
	return counts
}
