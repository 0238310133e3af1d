package fsm_test

import (
	"testing"

	"headcount/fsm"
)

func (s *shard) limitSegments(n uint64) {
	now := s.Stats().Settings
	now.Revision++
	now.SegmentsMax = n
	s.propose(settings(now))
}

func TestNoSegmentBeforeTheFirstSettings(t *testing.T) {
	s := &shard{t: t, replica: newReplica(shardConfig)}
	s.wantStatuses(s.write(noon, put("ann", "RU", noon+minute)), fsm.SegmentsFull)
	if _, ok := s.OutboxNext(0, 1); ok {
		t.Error("a refused record went to the outbox")
	}
}

func TestSegmentsLimitRefusesOnlyNewTitles(t *testing.T) {
	s := newShard(t)
	s.limitSegments(2)
	s.wantStatuses(s.write(noon,
		put("ann", "RU", noon+5*minute), put("ann", "sports", noon+minute), put("ann", "news", noon+minute), put("bob", "RU", noon+minute)),
		fsm.Created, fsm.Created, fsm.SegmentsFull, fsm.Created)
	if got := len(s.news(s.index)); got != 3 {
		t.Errorf("%d records went to the outbox, want the 3 accepted", got)
	}
	s.wantCounts(noon, map[string]int64{"RU": 2, "sports": 1})
	// A past expiry makes no segment, so that it needs no place.
	s.wantStatuses(s.write(noon, put("ann", "news", noon)), fsm.Expired)
}

func TestEmptySegmentVanishesAndFreesItsPlace(t *testing.T) {
	for name, empty := range map[string]func(*shard){
		"by delete": func(s *shard) { s.write(noon, remove("ann", "RU")) },
		"by erase":  func(s *shard) { s.write(noon, erase("ann")) },
		"by tick":   func(s *shard) { s.tick(noon+minute, noon+minute) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShard(t)
			s.limitSegments(1)
			s.write(noon, put("ann", "RU", noon+minute))
			s.wantStatuses(s.write(noon, put("bob", "news", noon+5*minute)), fsm.SegmentsFull)
			empty(s)
			if got := s.Stats().Segments; got != 0 {
				t.Errorf("%d segments exist, want none", got)
			}
			s.wantStatuses(s.write(noon, put("bob", "news", noon+5*minute)), fsm.Created)
			s.wantStatuses(s.write(noon, put("ann", "RU", noon+5*minute)), fsm.SegmentsFull)
			s.wantCounts(noon, map[string]int64{"news": 1})
		})
	}
}

// What has expired keeps its segment's place until a tick drains it.
func TestUndrainedSegmentKeepsItsPlace(t *testing.T) {
	s := newShard(t)
	s.limitSegments(1)
	s.write(noon, put("ann", "RU", noon+minute))
	s.wantStatuses(s.write(noon+minute, put("bob", "news", noon+5*minute)), fsm.SegmentsFull)
	s.wantCounts(noon+minute, nil)
	s.wantStatuses(s.write(noon+minute, put("bob", "RU", noon+5*minute)), fsm.Created)
}

func TestLowerLimitKeepsWhatExists(t *testing.T) {
	s := newShard(t)
	s.write(noon, put("ann", "RU", noon+minute), put("ann", "news", noon+minute))
	s.limitSegments(1)
	s.wantStatuses(s.write(noon, put("bob", "RU", noon+minute), put("bob", "sports", noon+minute)), fsm.Created, fsm.SegmentsFull)
	s.wantCounts(noon, map[string]int64{"RU": 2, "news": 1})
}

func TestSettingsOfALowerRevisionAreIgnored(t *testing.T) {
	s := newShard(t)
	s.propose(settings{Revision: 5, SegmentsMax: 50})
	for _, revision := range []uint64{0, 1, 4, 5} {
		s.propose(settings{Revision: revision, SegmentsMax: 1, OutboxBytesMax: 1, HistoryPoints: 1})
		if got, want := s.Stats().Settings, (fsm.Settings{Revision: 5, SegmentsMax: 50}); got != want {
			t.Errorf("revision %d made the settings %+v", revision, got)
		}
	}
}

// Segments that come and go within one entry leave no memory behind that the next
// entries do not free.
func TestSegmentsOfOneLeaveNothing(t *testing.T) {
	s := newShard(t)
	s.propose(settings{Revision: 2, SegmentsMax: 100, HistoryPoints: 1})
	for range 20 {
		var records []fsm.Record
		for i := range 2_000 {
			records = append(records, put("ann", numbered("segment", i), noon+minute), remove("ann", numbered("segment", i)))
		}
		s.write(noon, records...)
	}
	if used := s.UsedBytes(); used > 100<<10 {
		t.Errorf("%d bytes are used, and nobody is in any segment", used)
	}
	if st := s.Stats(); st.Memberships != 0 || st.Segments != 0 {
		t.Errorf("%+v", st)
	}
}

// A segment is dropped and begun again among the records that are looked at ahead together,
// after what it was counted in went to another. There must be as many of them: see aheadRecords.
func TestSegmentBegunAgainIsCountedByItself(t *testing.T) {
	s := newShard(t)
	at := int64(noon + day)
	var before, together []fsm.Record
	for i := range 10 {
		before = append(before, put(numbered("a", i), "A", at))
	}
	s.write(noon, before...)
	for i := range 5 {
		s.write(noon, remove(numbered("a", i), "A"))
		together = append(together, remove(numbered("a", 5+i), "A"))
	}
	for i := range 10 {
		together = append(together, put(numbered("b", i), "B", at))
	}
	s.write(noon, append(together, put("a-10", "A", at))...)
	s.wantCounts(noon, map[string]int64{"A": 1, "B": 10})
	s.tick(at+day, at+day)
	s.wantCounts(at+day, map[string]int64{})
	if n := s.Stats().Segments; n != 0 {
		t.Errorf("%d segments are left", n)
	}
}
