package fsm_test

import (
	"math"
	"strings"
	"testing"

	"headcount/fsm"
)

// One user, one segment: what each write is called, whether it counts afterwards,
// and whether PostgreSQL hears of it.
func TestStatusOfEveryWrite(t *testing.T) {
	in := func(after int64) fsm.Record { return put("ann", "RU", noon+after) }
	latest := shardConfig.Born + reach*minute // Born is the end of a bucket
	type write struct {
		after  int64 // of the entry, seconds after noon
		record fsm.Record
		want   fsm.Status
		counts int64 // at the time of the entry
		news   bool
	}
	for name, writes := range map[string][]write{
		"create": {
			{0, in(10 * minute), fsm.Created, 1, true},
		},
		"renew with a later expiry": {
			{0, in(10 * minute), fsm.Created, 1, true},
			{0, in(11 * minute), fsm.Renewed, 1, true},
		},
		"an earlier expiry never shortens": {
			{0, in(10 * minute), fsm.Created, 1, true},
			{0, in(9 * minute), fsm.Unchanged, 1, false},
			{9*minute + 59, in(10 * minute), fsm.Unchanged, 1, true},
		},
		"the same bucket changes nothing here, but PostgreSQL keeps seconds": {
			{0, in(10*minute - 30), fsm.Created, 1, true},
			{0, in(10 * minute), fsm.Unchanged, 1, true},
			{0, in(10*minute - 59), fsm.Unchanged, 1, true},
			{0, in(10*minute - 60), fsm.Unchanged, 1, false},
			{0, in(10*minute + 1), fsm.Renewed, 1, true},
		},
		"in the past": {
			{0, in(-1), fsm.Expired, 0, true},
			{0, in(0), fsm.Expired, 0, true},
			{0, put("ann", "RU", 0), fsm.Expired, 0, true},
			{0, in(1), fsm.Created, 1, true},
		},
		"an expiry counts to the end of its bucket": {
			{0, in(1), fsm.Created, 1, true},
			{1, in(1), fsm.Unchanged, 1, true},
			{59, in(1), fsm.Unchanged, 1, true},
			{60, in(1), fsm.Expired, 0, true},
		},
		"past, though the bucket goes on": {
			{30, in(20), fsm.Expired, 0, true},
			{30, in(31), fsm.Created, 1, true},
			{30, in(20), fsm.Unchanged, 1, true},
		},
		"expired but not drained is created anew": {
			{0, in(minute), fsm.Created, 1, true},
			{5 * minute, in(4 * minute), fsm.Expired, 0, true},
			{5 * minute, in(9 * minute), fsm.Created, 1, true},
			{5 * minute, in(10 * minute), fsm.Renewed, 1, true},
		},
		"delete": {
			{0, remove("ann", "RU"), fsm.Absent, 0, true},
			{0, in(10 * minute), fsm.Created, 1, true},
			{0, remove("bob", "RU"), fsm.Absent, 1, true},
			{0, remove("ann", "sports"), fsm.Absent, 1, true},
			{0, remove("ann", "RU"), fsm.Deleted, 0, true},
			{0, remove("ann", "RU"), fsm.Absent, 0, true},
			{0, in(5 * minute), fsm.Created, 1, true},
		},
		"delete what has expired but is not drained": {
			{0, in(minute), fsm.Created, 1, true},
			{minute, remove("ann", "RU"), fsm.Absent, 0, true},
			{0, in(10 * minute), fsm.Created, 1, true},
		},
		"erase": {
			{0, erase("ann"), fsm.Erased, 0, true},
			{0, in(10 * minute), fsm.Created, 1, true},
			{0, erase("bob"), fsm.Erased, 1, true},
			{0, erase("ann"), fsm.Erased, 0, true},
		},
		"as late as a table can say": {
			{0, put("ann", "RU", latest+1), fsm.OutOfRange, 0, false},
			{0, put("ann", "RU", 1<<62), fsm.OutOfRange, 0, false},
			{0, put("ann", "RU", latest), fsm.Created, 1, true},
			{0, put("ann", "RU", latest+1), fsm.OutOfRange, 1, false},
		},
		"the clock of a later entry goes back, or is not trusted": {
			{10 * minute, in(20 * minute), fsm.Created, 1, true},
			{-day, put("bob", "RU", noon+10*minute), fsm.Expired, 1, true},
			{-noon, put("bob", "RU", noon+10*minute), fsm.Expired, 1, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShard(t)
			for i, w := range writes {
				s.wantStatuses(s.write(noon+w.after, w.record), w.want)
				if got, _ := s.Count(s.Stats().Time, []byte("RU")); got != w.counts {
					t.Errorf("write %d: %d users in RU, want %d", i, got, w.counts)
				}
				if news := s.news(s.index); w.news != (len(news) == 1) || w.news && news[0] != requestOf(w.record) {
					t.Errorf("write %d: the outbox took %v, want it to take the record: %t", i, news, w.news)
				}
			}
		})
	}
}

func TestUserIsInManySegments(t *testing.T) {
	s := newShard(t)
	long := strings.Repeat("x", fsm.NameBytesMax)
	s.wantStatuses(s.write(noon,
		put("ann", "sports", noon+2*minute), put("ann", "RU", noon+90), put("bob", "RU", noon+5*minute),
		put(long, long, noon+minute), put("ann", "RU", noon+30)),
		fsm.Created, fsm.Created, fsm.Created, fsm.Created, fsm.Unchanged)
	s.wantUser(noon, "ann", fsm.Membership{Segment: "RU", Expiry: noon + 2*minute}, fsm.Membership{Segment: "sports", Expiry: noon + 2*minute})
	s.wantUser(noon, long, fsm.Membership{Segment: long, Expiry: noon + minute})
	s.wantUser(noon, "nobody")
	s.wantCounts(noon, map[string]int64{"RU": 2, "sports": 1, long: 1})

	s.wantStatuses(s.write(noon, erase("ann")), fsm.Erased)
	s.wantUser(noon, "ann")
	s.wantUser(noon, "bob", fsm.Membership{Segment: "RU", Expiry: noon + 5*minute})
	s.wantCounts(noon, map[string]int64{"RU": 1, long: 1})
}

// A count is right now: a reader whose clock is past a bucket leaves it out, tick
// or no tick, and changes nothing that is replicated.
func TestReadLeavesOutWhatHasExpired(t *testing.T) {
	s := newShard(t)
	s.write(noon, put("ann", "RU", noon+1), put("bob", "RU", noon+minute+1), put("cid", "sports", noon+minute))
	before := s.Stats()
	s.wantCounts(noon+minute-1, map[string]int64{"RU": 2, "sports": 1})
	s.wantCounts(noon+minute, map[string]int64{"RU": 1})
	s.wantUser(noon+minute, "cid")
	s.wantUser(noon+minute, "bob", fsm.Membership{Segment: "RU", Expiry: noon + 2*minute})
	s.wantCounts(noon, map[string]int64{"RU": 1}) // as at the latest instant asked for
	s.wantCounts(noon+2*minute, nil)
	if after := s.Stats(); after != before {
		t.Errorf("reading changed %+v to %+v", before, after)
	}
	s.wantCounts(noon-100, nil)
	// Written while the reader is ahead: decided at the machine's time, read at the reader's.
	s.wantStatuses(s.write(noon, put("dot", "RU", noon+minute), put("eve", "RU", noon+3*minute)), fsm.Created, fsm.Created)
	s.wantCounts(noon, map[string]int64{"RU": 1})
}

func TestReadAtImpossibleInstants(t *testing.T) {
	s := newShard(t)
	s.write(noon, put("ann", "RU", noon+minute))
	s.wantCounts(math.MinInt64, map[string]int64{"RU": 1})
	s.wantCounts(-1, map[string]int64{"RU": 1})
	s.wantCounts(math.MaxInt64, nil)
	s.wantStatuses(s.write(noon, put("ann", "RU", noon+2*minute)), fsm.Renewed)
}

// A reader whose clock was far ahead and is set right counts again whom it left out.
func TestReadGoesBackWithTheClock(t *testing.T) {
	s := newShard(t)
	s.write(noon, put("ann", "RU", noon+minute), put("bob", "RU", noon+60*minute))
	s.wantCounts(noon+1000*minute, nil)
	s.write(noon, put("cid", "RU", noon+2*minute))
	s.wantCounts(noon+999*minute, nil) // a small correction is waited out
	s.wantCounts(noon+minute, map[string]int64{"RU": 2})
	s.wantUser(noon+minute, "bob", fsm.Membership{Segment: "RU", Expiry: noon + 60*minute})
	s.tick(noon+30*minute, noon+30*minute)
	s.wantCounts(noon+1000*minute, nil)
	s.wantCounts(noon, map[string]int64{"RU": 1}) // not before the watermark
}
