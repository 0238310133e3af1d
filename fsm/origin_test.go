package fsm_test

import (
	"fmt"
	"slices"
	"testing"

	"headcount/fsm"
)

func TestRetriedBatchTakesEffectOnce(t *testing.T) {
	s := newShard(t)
	b := batch{"node-2", 4, 9, []fsm.Record{put("ann", "RU", noon+5*minute), remove("bob", "RU")}}
	first := s.send(noon, b)
	s.write(noon, remove("ann", "RU"), put("bob", "RU", noon+minute)) // what a second effect would undo
	before := s.Stats()

	again := s.send(noon, b)
	if again.Verdict != fsm.Repeated || !slices.Equal(again.Statuses, first.Statuses) {
		t.Errorf("the retry returned %+v, want %v repeated", again, first.Statuses)
	}
	s.wantStatuses(again.Statuses, fsm.Created, fsm.Absent)
	after := s.Stats()
	after.Index = before.Index
	if after != before {
		t.Errorf("the retry changed %+v to %+v", before, after)
	}
	s.wantCounts(noon, map[string]int64{"RU": 1})
}

func TestBatchInOneEntryTwice(t *testing.T) {
	s := newShard(t)
	b := batch{"node-2", 1, 1, []fsm.Record{put("ann", "RU", noon+minute)}}
	got := s.propose(batches{noon, []batch{b, b}}).(fsm.Result).Batches
	if got[0].Verdict != fsm.Applied || got[1].Verdict != fsm.Repeated {
		t.Errorf("verdicts %d and %d", got[0].Verdict, got[1].Verdict)
	}
	if news := s.news(s.index); len(news) != 1 {
		t.Errorf("the outbox took %v", news)
	}
}

func TestOlderBatchIsStale(t *testing.T) {
	s := newShard(t)
	s.send(noon, batch{"node-2", 4, 9, []fsm.Record{put("ann", "RU", noon+minute)}})
	for _, b := range []batch{{origin: "node-2", epoch: 4, sequence: 8}, {origin: "node-2", epoch: 3, sequence: 10}, {origin: "node-2"}} {
		b.records = []fsm.Record{erase("ann")}
		if got := s.send(noon, b); got.Verdict != fsm.Stale || got.Statuses != nil {
			t.Errorf("%v returned %+v, want stale", b, got)
		}
	}
	s.wantCounts(noon, map[string]int64{"RU": 1})
	// Sequences may be skipped, a new epoch may start anywhere, and origins are apart.
	for _, b := range []batch{
		{"node-2", 4, 20, nil},
		{"node-2", 5, 0, nil},
		{"node-3", 0, 0, nil},
	} {
		if got := s.send(noon, b); got.Verdict != fsm.Applied {
			t.Errorf("%v returned %+v, want applied", b, got)
		}
	}
}

func TestSnapshotRemembersOrigins(t *testing.T) {
	s := newShard(t)
	b := batch{"node-2", 4, 9, []fsm.Record{put("ann", "RU", noon+minute), put("ann", "RU", noon+minute)}}
	first := s.send(noon, b)
	s.write(noon, erase("ann"))
	joined := &shard{t: t, replica: newReplica(shardConfig), index: s.index}
	if err := restore(joined.Machine, snapshotOf(t, s.Machine)); err != nil {
		t.Fatal(err)
	}
	if got := joined.send(noon, b); got.Verdict != fsm.Repeated || !slices.Equal(got.Statuses, first.Statuses) {
		t.Errorf("the retry after a restore returned %+v, want %v repeated", got, first.Statuses)
	}
	b.sequence--
	if got := joined.send(noon, b); got.Verdict != fsm.Stale {
		t.Errorf("the older batch after a restore returned %+v, want stale", got)
	}
	joined.wantCounts(noon, nil)
}

// Many origins are remembered, not any number. The one unheard for longest goes
// first, and by name among those last heard in the same entry.
func TestOriginsAreBounded(t *testing.T) {
	const originsMax = 1024
	s := newShard(t)
	origin := func(i int) batch { return batch{origin: fmt.Sprintf("node-%04d", i), epoch: 1, sequence: 1} }
	// The first two share an entry, last name first; then node 0 is heard again.
	s.propose(batches{noon, []batch{origin(2), origin(1), origin(0)}})
	for i := 3; i < originsMax; i++ {
		s.send(noon, origin(i))
	}
	again := origin(0)
	again.sequence++
	s.send(noon, again)
	for i := range originsMax {
		b := origin(i)
		if i == 0 {
			b = again
		}
		if got := s.send(noon, b); got.Verdict != fsm.Repeated {
			t.Fatalf("%d origins, but %s is forgotten", originsMax, b.origin)
		}
	}
	digest := s.Stats().Digest

	s.send(noon, origin(originsMax)) // forgets node 1
	if got := s.send(noon, origin(2)); got.Verdict != fsm.Repeated {
		t.Errorf("node 2 was heard as long ago as node 1 and has the later name, but is forgotten: verdict %d", got.Verdict)
	}
	s.send(noon, origin(originsMax+1)) // forgets node 2
	for _, c := range []struct {
		origin  int
		verdict fsm.Verdict
	}{{0, fsm.Stale}, {3, fsm.Repeated}, {originsMax, fsm.Repeated}, {1, fsm.Applied}, {2, fsm.Applied}} {
		if got := s.send(noon, origin(c.origin)); got.Verdict != c.verdict {
			t.Errorf("node %d: verdict %d, want %d", c.origin, got.Verdict, c.verdict)
		}
	}
	if s.Stats().Digest == digest {
		t.Error("the digest does not cover the origins")
	}
	joined := newReplica(shardConfig)
	if err := restore(joined.Machine, snapshotOf(t, s.Machine)); err != nil {
		t.Fatal(err)
	}
	if joined.Stats() != s.Stats() {
		t.Error("a full set of origins does not survive a snapshot")
	}
}
