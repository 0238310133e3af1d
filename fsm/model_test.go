package fsm_test

import (
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
	outbox   []news // what PostgreSQL does not have
	window   []news // what it has and is kept
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
	bytes   int64 // of the encoded records
}

// request is a record that can be compared and printed.
type request struct {
	op          fsm.Op
	expiry      int64
	id, segment string
}

func newModel(c fsm.Config) *model {
	return &model{width: c.BucketSeconds, facts: facts{
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
		m.outbox = append(m.outbox, heard)
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
}

func (m *model) trimHistory() {
	if n := uint64(len(m.history)); n > m.settings.HistoryPoints {
		m.history = m.history[n-m.settings.HistoryPoints:]
	}
}

func (m *model) applyAck(index uint64) {
	m.acked = max(m.acked, min(index, m.index))
	for len(m.outbox) > 0 && m.outbox[0].index <= m.acked {
		m.window, m.outbox = append(m.window, m.outbox[0]), m.outbox[1:]
	}
	m.narrowWindow()
}

func (m *model) narrowWindow() {
	for len(m.window) > 0 && uint64(bytesOf(m.window)) > m.settings.OutboxWindowBytesMax {
		m.dropped, m.window = m.window[0].index, m.window[1:]
	}
}

// entryCost is what an entry of the outbox is charged beyond its records, in bytes.
const entryCost = 64

func (m *model) outboxBytes() int64 { return bytesOf(m.outbox) }

func bytesOf(all []news) (bytes int64) {
	for _, n := range all {
		bytes += n.bytes + entryCost
	}
	return bytes
}

func (m *model) outboxIsFull() bool {
	limit := m.settings.OutboxBytesMax
	return limit > 0 && uint64(m.outboxBytes()) >= limit
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
