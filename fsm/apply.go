package fsm

import (
	"fmt"
	"math"

	"github.com/hashicorp/raft"

	"headcount/fsm/internal/table"
	"headcount/fsm/internal/tally"
)

// Status is what became of one record of a batch that was applied.
type Status uint8

// The statuses. Their values are in snapshots: never renumber them.
const (
	Created      Status = 1 // was not counted, is now
	Renewed      Status = 2 // was counted, ends later now
	Unchanged    Status = 3 // was counted at least as long
	Expired      Status = 4 // in the past: PostgreSQL gets it, it is never counted
	Deleted      Status = 5 // was counted, is not any more
	Absent       Status = 6 // there was nothing to delete
	Erased       Status = 7 // every membership of the user ended
	SegmentsFull Status = 8 // refused: one segment too many
	OutOfRange   Status = 9 // refused: the expiry is beyond what a bucket number holds
)

// Result is what Apply returns for an entry that carries batches.
type Result struct {
	Index   uint64
	Batches []BatchResult // in the order of the entry
}

// BatchResult is what became of one batch. Statuses has one per record, and is
// nil when the verdict says that nothing was applied.
type BatchResult struct {
	Verdict  Verdict
	Statuses []Status
}

// Apply applies one entry. It implements [raft.FSM]; for an entry of batches it
// returns a [Result], otherwise nil.
//
// It panics on an entry that it cannot decode: the entry was validated before it
// was proposed, so this program is older than the one that wrote it, or the log
// is damaged, and going on would make the replicas differ.
func (m *Machine) Apply(l *raft.Log) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	result, err := m.mu.state.apply(l.Index, l.Data)
	if err != nil {
		panic(fmt.Sprintf("fsm: shard %d cannot apply entry %d: %v (was it written by a newer version?)", m.config.Shard, l.Index, err))
	}
	m.publish()
	if result == nil {
		return nil
	}
	return *result
}

func (st *state) apply(index uint64, entry []byte) (*Result, error) {
	d := decoder{data: entry}
	if v := d.byte(); v != commandVersion {
		return nil, fmt.Errorf("%w: version %d", errCommand, v)
	}
	var result *Result
	switch kind := d.byte(); kind {
	case kindBatch:
		result = st.applyBatches(index, &d)
	case kindTick:
		now, scheduled := d.seconds(), d.seconds()
		if d.err == nil {
			st.applyTick(Tick{now, scheduled})
		}
	case kindAck:
		if ack := d.uvarint(); d.err == nil {
			st.outbox.acknowledge(min(ack, index))
			st.narrowWindow()
		}
	case kindSettings:
		if s := d.settings(); d.err == nil {
			st.applySettings(s)
		}
	default:
		return nil, fmt.Errorf("%w: kind %d", errCommand, kind)
	}
	st.index = index
	st.reclaimStep()
	_ = st.tables.Gather() || st.tallies.Gather() // one slab's after an entry
	return result, d.end()
}

func (st *state) applySettings(s Settings) {
	if s.Revision > st.settings.Revision {
		st.settings = s
		st.trimHistory()
		st.narrowWindow()
	}
}

// narrowWindow drops of the outbox what the settings do not ask to keep.
func (st *state) narrowWindow() {
	since := int64(math.MinInt64)
	if seconds := st.settings.OutboxWindowSeconds; seconds > 0 {
		since = st.time - int64(min(seconds, math.MaxInt64))
	}
	st.outbox.narrow(st.settings.OutboxWindowBytesMax, since)
}

// applyBatches applies the batches of one entry, one after the other.
func (st *state) applyBatches(index uint64, d *decoder) *Result {
	st.setTime(max(st.time, d.seconds()))
	result := &Result{Index: index}
	news := outboxEntry{index: index, time: st.time, records: st.news[:0]}
	for d.err == nil && len(d.data) > 0 {
		b, rest, err := nextBatch(d.data)
		if d.data, d.err = rest, err; err == nil {
			result.Batches = append(result.Batches, st.applyBatch(b, index, &news))
		}
	}
	if news.rows > 0 {
		st.outbox.append(news)
	}
	st.news = news.records
	return result
}

func (st *state) applyBatch(b Batch, index uint64, news *outboxEntry) BatchResult {
	verdict, statuses := st.seen(b)
	switch {
	case verdict == Repeated:
		return BatchResult{Repeated, append([]Status(nil), statuses...)}
	case verdict == Stale:
		return BatchResult{Verdict: Stale}
	case st.outboxIsFull():
		return BatchResult{Verdict: OutboxFull}
	}
	statuses = make([]Status, 0, b.Count)
	tell := st.settings.OutboxBytesMax > 0
	rest, told := b.Records, 0 // what is not among the news yet; how much of it, from the first byte, is to be
	for data := b.Records; len(statuses) < b.Count; {
		next, after, err := st.lookAhead(data, b.Count-len(statuses))
		if err != nil {
			panic(fmt.Sprintf("fsm: entry %d holds a batch of %s that was not validated: %v", index, b.Origin, err))
		}
		for i := range next {
			s, isNews := st.applyRecord(&next[i])
			statuses = append(statuses, s)
			if isNews && tell {
				news.rows++
				told += len(next[i].encoded)
			} else {
				news.records = append(news.records, rest[:told]...)
				rest, told = rest[told+len(next[i].encoded):], 0
			}
		}
		data = after
	}
	news.records = append(news.records, rest[:told]...)
	st.remember(b, index, statuses)
	return BatchResult{Applied, statuses}
}

// applyRecord applies one record and says whether PostgreSQL must hear of it.
func (st *state) applyRecord(u *upcoming) (s Status, isNews bool) {
	switch u.record.Op {
	case OpPut:
		return st.put(u)
	case OpDelete:
		return st.delete(u), true
	default:
		return st.erase(u.key), true
	}
}

func (st *state) keyOf(id []byte) table.Key { return table.KeyOf(st.hashKey[0], st.hashKey[1], id) }

// put holds the membership until expiry, or longer if it already is.
func (st *state) put(u *upcoming) (s Status, isNews bool) {
	bucket := u.bucket
	if !u.inReach {
		return OutOfRange, false
	}
	seg, stored := st.find(u)
	counted := stored > st.current
	switch {
	case counted && bucket <= stored:
		// Within one bucket, memory cannot tell which expiry is the later.
		return Unchanged, bucket == stored
	case u.record.Expiry <= st.time:
		return Expired, true
	case counted:
		st.move(seg, u, stored)
		return Renewed, true
	case stored != 0: // expired, but not drained yet
		st.move(seg, u, stored)
		return Created, true
	}
	if seg == nil {
		if seg = st.segmentFor(u.record.Segment); seg == nil {
			return SegmentsFull, false
		}
	}
	if !st.hold(seg, u) {
		panic("fsm: a table has no place for a key")
	}
	return Created, true
}

func (st *state) delete(u *upcoming) Status {
	seg, stored := st.find(u)
	if stored == 0 {
		return Absent
	}
	return st.endAt(seg, &u.spot, u.key, stored, &u.from)
}

func (st *state) endAt(seg *segment, spot *table.Spot, k table.Key, stored uint32, from *tally.Probe) Status {
	st.end(seg, spot, k, stored, from)
	if stored <= st.current {
		return Absent
	}
	return Deleted
}

// erase ends the user's memberships. It must look into every segment, some at a time:
// see [state.lookAhead].
func (st *state) erase(k table.Key) Status {
	var spots [aheadRecords]table.Spot
	for from := 0; from < len(st.numbered); from += aheadRecords {
		next := st.numbered[from:min(from+aheadRecords, len(st.numbered))]
		for i, s := range next {
			spots[i] = table.Spot{}
			if s != nil {
				spots[i].Piece(&s.table, st.tables, k)
			}
		}
		for i := range next {
			spots[i].Lines(st.tables, k)
		}
		for i, s := range next {
			spots[i].Find(k) // ending a membership moves none of another segment
			if stored := spots[i].Bucket(); stored > st.watermark {
				st.endAt(s, &spots[i], k, stored, &tally.Probe{})
			}
		}
	}
	return Erased
}

// applyTick drains what had expired at the scheduled instant and keeps the counts
// of that instant. A tick that is not above the last changes nothing but the time.
func (st *state) applyTick(t Tick) {
	st.setTime(max(st.time, t.Now, t.Scheduled))
	if t.Scheduled <= st.lastTick {
		return
	}
	st.lastTick = t.Scheduled
	st.drain(st.endedBucket(t.Scheduled))
	st.keepHistory(t.Scheduled)
	st.narrowWindow()
}
