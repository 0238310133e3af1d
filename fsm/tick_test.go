package fsm_test

import (
	"reflect"
	"testing"

	"headcount/fsm"
)

// A tick drains the buckets that had ended at the scheduled instant, whenever it
// is applied: no more when it is late, nothing when it is repeated or older.
func TestTickDrainsWhatHadEndedWhenScheduled(t *testing.T) {
	s := newShard(t)
	for i := range int64(10) {
		s.write(noon, put(numbered("user", int(i)), "RU", noon+i*minute+1)) // ends at noon + (i+1) minutes
	}
	for _, c := range []struct {
		what           string
		now, scheduled int64 // seconds after noon
		stored         int64
		watermark      int64 // seconds after noon
	}{
		{"on time, at the end of a bucket", 2 * minute, 2 * minute, 8, 2 * minute},
		{"again", 2 * minute, 2 * minute, 8, 2 * minute},
		{"again, later", 3 * minute, 2 * minute, 8, 2 * minute},
		{"older", 3 * minute, minute, 8, 2 * minute},
		{"within a bucket", 3*minute + 59, 3*minute + 59, 7, 3 * minute},
		{"within the same bucket", 3*minute + 59, 3*minute + 30, 7, 3 * minute},
		{"late", 8 * minute, 4 * minute, 6, 4 * minute},
		{"the clock is not trusted", -noon, 5 * minute, 5, 5 * minute},
		{"after days", day, 3 * day, 0, 3 * day},
		{"with nothing left", 4 * day, 4 * day, 0, 4 * day},
	} {
		s.tick(noon+c.now, noon+c.scheduled)
		st := s.Stats()
		if st.Memberships != c.stored || st.Watermark != noon+c.watermark {
			t.Errorf("%s: %d memberships stored, watermark noon%+ds; want %d, noon%+ds",
				c.what, st.Memberships, st.Watermark-noon, c.stored, c.watermark)
		}
	}
}

func TestRepeatedTickChangesNothing(t *testing.T) {
	s := newShard(t)
	s.write(noon, put("ann", "RU", noon+minute), put("bob", "RU", noon+3*minute))
	s.tick(noon+minute, noon+minute)
	before, history := s.Stats(), s.History()
	s.tick(noon+minute, noon+minute)
	s.tick(0, noon)
	after := s.Stats()
	after.Index = before.Index
	if after != before {
		t.Errorf("stats were %+v, are %+v", before, after)
	}
	if !reflect.DeepEqual(s.History(), history) {
		t.Errorf("history was %v, is %v", history, s.History())
	}
}

func TestTickOwedBeforeBirthIsIgnored(t *testing.T) {
	s := newShard(t)
	if got := s.Stats().LastTick; got != shardConfig.Born {
		t.Errorf("the last tick of a newborn is %d, want %d", got, shardConfig.Born)
	}
	s.tick(noon, shardConfig.Born)
	if len(s.History()) != 0 || s.Stats().Watermark != shardConfig.Born {
		t.Errorf("a tick at birth left %v, watermark %d", s.History(), s.Stats().Watermark)
	}
	s.tick(noon, shardConfig.Born+1)
	if len(s.History()) != 1 {
		t.Errorf("the first tick after birth was not kept")
	}
}

// The scheduled instant is a time like any other: what it drains has expired.
func TestTickMovesTime(t *testing.T) {
	s := newShard(t)
	s.tick(noon, noon+minute)
	s.wantStatuses(s.write(noon, put("ann", "RU", noon+minute), put("bob", "RU", noon+minute+1)), fsm.Expired, fsm.Created)
	s.tick(noon+5*minute, noon+2*minute)
	s.wantStatuses(s.write(noon, put("ann", "RU", noon+5*minute)), fsm.Expired)
}

// Counts stay right when reads are ahead of the tick and when they are behind.
func TestTickAndReadersMeet(t *testing.T) {
	s := newShard(t)
	s.write(noon, put("ann", "RU", noon+minute), put("bob", "RU", noon+2*minute), put("cid", "RU", noon+5*minute))
	s.wantCounts(noon+2*minute, map[string]int64{"RU": 1})
	s.tick(noon+minute, noon+minute)
	s.wantCounts(noon+minute, map[string]int64{"RU": 1})
	s.tick(noon+3*minute, noon+3*minute)
	s.wantCounts(noon+3*minute, map[string]int64{"RU": 1})
	s.write(noon, put("dot", "RU", noon+4*minute))
	s.tick(noon+4*minute, noon+4*minute)
	s.wantCounts(noon, map[string]int64{"RU": 1}) // read late: drained is not counted
	s.tick(noon+5*minute, noon+5*minute)
	s.wantCounts(noon, nil)
}

// The slots of drained memberships are freed as entries pass. A user comes back
// before and after that, and through a segment that vanished.
func TestUserComesBackAfterDrain(t *testing.T) {
	s := newShard(t)
	const users = 300
	var first, again []fsm.Record
	for i := range users {
		first = append(first, put(numbered("user", i), "RU", noon+minute))
		again = append(again, put(numbered("user", i), "RU", noon+9*minute))
	}
	s.write(noon, first...)
	s.write(noon, put("stays", "RU", noon+3*minute))
	s.tick(noon+minute, noon+minute)
	s.wantCounts(noon+minute, map[string]int64{"RU": 1})
	for i, r := range again[:users/2] {
		s.wantStatuses(s.write(noon+minute, r), fsm.Created)
		s.wantCounts(noon+minute, map[string]int64{"RU": int64(2 + i)})
	}
	s.tick(noon+9*minute, noon+9*minute)
	if st := s.Stats(); st.Segments != 0 || st.Memberships != 0 {
		t.Errorf("%d segments and %d memberships are left", st.Segments, st.Memberships)
	}
	s.wantStatuses(s.write(noon+9*minute, put("user-0", "RU", noon+10*minute)), fsm.Created)
	s.wantCounts(noon+9*minute, map[string]int64{"RU": 1})
}

func TestEndlessTicksUnderFewWrites(t *testing.T) {
	s := newShard(t)
	for i := range int64(2_000) {
		now := noon + i*minute
		s.write(now, put(numbered("user", int(i)), numbered("segment", int(i%40)), now+3*minute))
		s.tick(now, now)
		if i >= 3 && s.Stats().Memberships != 3 {
			t.Fatalf("after %d ticks %d memberships are stored, want the 3 of the last minutes", i, s.Stats().Memberships)
		}
	}
}
