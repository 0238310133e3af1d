package fsm_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/hashicorp/raft"

	"headcount/fsm"
)

func (s *shard) limitOutbox(bytes uint64) {
	now := s.Stats().Settings
	now.Revision++
	now.OutboxBytesMax = bytes
	s.propose(settings(now))
}

func TestOutboxKeepsLogOrder(t *testing.T) {
	s := newShard(t)
	s.propose(batches{noon, []batch{
		{"node-2", 1, 1, []fsm.Record{put("ann", "RU", noon+minute), put("bob", "RU", noon-1)}},
		{"node-3", 1, 1, []fsm.Record{remove("ann", "RU"), erase("ann")}},
	}})
	two := s.index
	s.propose(batches{noon, nil})
	s.write(noon+5, put("ann", "RU", noon+minute))
	want := []request{
		{fsm.OpPut, noon + minute, "ann", "RU"},
		{fsm.OpPut, noon - 1, "bob", "RU"},
		{fsm.OpDelete, 0, "ann", "RU"},
		{fsm.OpErase, 0, "ann", ""},
	}
	if got := s.news(two); !slices.Equal(got, want) {
		t.Errorf("the outbox holds %v, want %v", got, want)
	}
	// Entries are never cut, so one may be larger than asked for.
	for _, c := range []struct {
		above       uint64
		rowsMax     int
		index       uint64
		rows, parts int
	}{
		{0, 1, two, 4, 1},
		{0, 4, two, 4, 1},
		{0, 5, s.index, 5, 2},
		{two, 1, s.index, 1, 1},
		{two + 1, 1, s.index, 1, 1},
	} {
		b, ok := s.OutboxNext(c.above, c.rowsMax)
		if !ok || b.Index != c.index || b.Rows != c.rows || len(b.Records) != c.parts {
			t.Errorf("OutboxNext(%d, %d) = index %d, %d rows in %d parts, %t; want %+v", c.above, c.rowsMax, b.Index, b.Rows, len(b.Records), ok, c)
		}
	}
	for _, index := range []uint64{s.index, s.index + 1, math.MaxUint64 - 1, math.MaxUint64} {
		if b, ok := s.OutboxNext(index, 1); ok {
			t.Errorf("OutboxNext(%d) = %+v, want nothing", index, b)
		}
	}
	if st := s.Stats(); st.OutboxRows != 5 || st.OutboxSince != noon {
		t.Errorf("%d rows since noon%+ds, want 5 since noon", st.OutboxRows, st.OutboxSince-noon)
	}
}

func TestAcknowledgementTrimsTheOutbox(t *testing.T) {
	s := newShard(t)
	s.write(noon, put("ann", "RU", noon+minute))
	first := s.index
	s.write(noon+7, put("bob", "RU", noon+minute))
	second := s.index

	s.propose(ack(first))
	if got := outboxOf(s.Machine, 0, 1); len(got) != 1 || got[0].index != second {
		t.Errorf("after the first was acknowledged the outbox holds %v", got)
	}
	if st := s.Stats(); st.OutboxRows != 1 || st.OutboxSince != noon+7 || st.OutboxAcked != first {
		t.Errorf("after the first was acknowledged: %+v", st)
	}
	s.propose(ack(first - 1)) // late: nothing comes back
	if got := s.OutboxAcked(); got != first {
		t.Errorf("an older acknowledgement moved the cursor to %d", got)
	}
	// Nobody can have what is not in the log yet.
	s.propose(ack(math.MaxUint64))
	if got := s.OutboxAcked(); got != s.index {
		t.Errorf("acknowledged up to %d at index %d", got, s.index)
	}
	if st := s.Stats(); st.OutboxRows != 0 || st.OutboxBytes != 0 || st.OutboxSince != 0 {
		t.Errorf("an empty outbox has %+v", st)
	}
	s.write(noon, put("cid", "RU", noon+minute))
	if len(s.news(s.index)) != 1 {
		t.Error("the outbox lost what came after the acknowledgement")
	}
}

// A full outbox refuses batches whole, and forgets that it did: the same batch
// succeeds once there is room.
func TestFullOutboxRefusesTheWholeBatch(t *testing.T) {
	s := newShard(t)
	s.limitOutbox(1)
	s.wantStatuses(s.write(noon, put("ann", "RU", noon+minute)), fsm.Created) // the entry that fills it
	filled := s.index
	if !s.OutboxIsFull() {
		t.Fatalf("the outbox is not full: %+v", s.Stats())
	}
	b := batch{"node-2", 1, 1, []fsm.Record{put("bob", "RU", noon+minute), erase("ann")}}
	for range 2 {
		if got := s.send(noon, b); got.Verdict != fsm.OutboxFull || got.Statuses != nil {
			t.Errorf("a batch into a full outbox returned %+v", got)
		}
	}
	s.wantCounts(noon, map[string]int64{"RU": 1})
	s.wantUser(noon, "bob")
	if got := s.Stats().OutboxRows; got != 1 {
		t.Errorf("a refused batch left %d rows", got)
	}
	// What was applied before is still answered.
	repeat := batch{"node-1", 1, s.sequence, []fsm.Record{put("ann", "RU", noon+minute)}}
	if got := s.send(noon, repeat); got.Verdict != fsm.Repeated {
		t.Errorf("a retry into a full outbox returned %+v", got)
	}
	s.propose(ack(filled))
	got := s.send(noon, b)
	if got.Verdict != fsm.Applied {
		t.Errorf("with room again the same batch returned %+v", got)
	}
	s.wantStatuses(got.Statuses, fsm.Created, fsm.Erased)
}

func TestRefusedEntryStillTellsTheTime(t *testing.T) {
	s := newShard(t)
	s.limitOutbox(1)
	s.write(noon, put("ann", "RU", noon+minute))
	s.send(noon+5, batch{"node-2", 1, 1, []fsm.Record{erase("ann")}})
	if got := s.Stats().Time; got != noon+5 {
		t.Errorf("the time is noon%+ds", got-noon)
	}
}

func TestOutboxTurnedOff(t *testing.T) {
	s := newShard(t)
	s.write(noon, put("ann", "RU", noon+minute))
	s.limitOutbox(0)
	s.wantStatuses(s.write(noon, put("bob", "RU", noon+minute)), fsm.Created)
	if s.OutboxIsFull() || s.Stats().OutboxRows != 1 {
		t.Errorf("turned off, the outbox is full=%t with %d rows", s.OutboxIsFull(), s.Stats().OutboxRows)
	}
}

func TestOutboxWithoutLimit(t *testing.T) {
	for _, limit := range []uint64{math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64} {
		s := newShard(t)
		s.limitOutbox(limit)
		s.wantStatuses(s.write(noon, put("ann", "RU", noon+minute)), fsm.Created)
		if s.OutboxIsFull() {
			t.Errorf("an outbox of %d bytes is full after one record", limit)
		}
	}
}

func TestOutboxIsCharged(t *testing.T) {
	s := newShard(t)
	records := []fsm.Record{put("ann", "RU", noon+minute), erase("bob")}
	s.write(noon, records...)
	m := newModel(shardConfig)
	m.index, m.time = s.index, noon
	m.hear(news{index: s.index, time: noon, records: make([]request, 2), bytes: int64(len(encodeRecords(records)))})
	want := bytesOf(m.owed())
	if got := s.Stats().OutboxBytes; got != want {
		t.Errorf("the outbox is charged %d bytes, want %d", got, want)
	}
	s.limitOutbox(uint64(want) + 1)
	if s.OutboxIsFull() {
		t.Error("full one byte below the limit")
	}
	s.limitOutbox(uint64(want))
	if !s.OutboxIsFull() {
		t.Error("not full at the limit")
	}
}

// The outbox takes about the memory that it is charged for, however little of an entry
// is news.
func TestOutboxKeepsNoRoomForWhatIsNoNews(t *testing.T) {
	s := newShard(t)
	s.write(noon, put("ann", "RU", noon+day))
	records := []fsm.Record{put("bob", "RU", noon+day)}
	for range 5_000 {
		records = append(records, put("ann", "RU", noon+minute))
	}
	s.write(noon, records...)
	page, ok := s.OutboxNext(s.index-1, 10)
	if !ok || page.Rows != 1 || cap(page.Records[0]) > 1<<10 {
		t.Errorf("%d rows in %d bytes of %d", page.Rows, len(page.Records[0]), cap(page.Records[0]))
	}
}

// What a reader or a snapshot was given stays what it was, whatever becomes of the outbox,
// whose memory is used again.
func TestOutboxWritesOverNothingThatSomebodyHas(t *testing.T) {
	for _, blockBytes := range []int64{1, 1 << 20} { // sealed at once, and never
		config := shardConfig
		config.BlockBytes = blockBytes
		s := &shard{t: t, replica: newReplica(config)}
		s.propose(shardSettings)
		var pages []fsm.OutboxBatch
		var snapshots []raft.FSMSnapshot
		var want []string
		for i := range 60 {
			s.write(noon, put(fmt.Sprintf("user-%d", i), "RU", noon+day), put(fmt.Sprintf("other-%d", i), "RU", noon+day))
			switch i % 3 {
			case 0:
				page, _ := s.OutboxNext(s.index-1, 1)
				pages, want = append(pages, page), append(want, string(page.Records[0]))
			case 1:
				snapshot, err := s.Snapshot()
				if err != nil {
					t.Fatal(err)
				}
				snapshots = append(snapshots, snapshot)
			}
			s.propose(ack(s.index))
		}
		for i, page := range pages {
			if string(page.Records[0]) != want[i] {
				t.Errorf("batch %d was written over", i)
			}
		}
		for i, snapshot := range snapshots {
			if err := restore(fsm.New(config), persist(t, snapshot)); err != nil {
				t.Errorf("snapshot %d: %v", i, err)
			}
		}
	}
}

// A block with far too much room, that somebody was given while it grew, is sealed.
func TestOutboxCutsRoomyBlockThatSomebodyHas(t *testing.T) {
	config := shardConfig
	config.BlockBytes = 400
	s := &shard{t: t, replica: newReplica(config)}
	s.propose(shardSettings)
	var many []fsm.Record
	for i := range 200 {
		many = append(many, put(numbered("many", i), "RU", noon+day))
	}
	s.write(noon, many...) // the next block gets room for as much
	var pages []fsm.OutboxBatch
	var want []string
	for i := range 100 {
		s.write(noon, put(numbered("user", i), "RU", noon+day))
		page, _ := s.OutboxNext(s.index-1, 1)
		pages, want = append(pages, page), append(want, string(page.Records[0]))
	}
	for i, page := range pages {
		if string(page.Records[0]) != want[i] {
			t.Fatalf("batch %d was written over", i)
		}
	}
}
