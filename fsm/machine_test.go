package fsm_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"headcount/fsm"
)

// soon bounds what must happen at once, on a machine that may be slow.
const soon = 20 * time.Second

func TestWaitIndex(t *testing.T) {
	s := newShard(t)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if err := s.WaitIndex(ctx, s.index); err != nil {
		t.Errorf("an index applied long ago: %v", err)
	}
	last := s.index + 3
	waited := make(chan error, 1) // the one send never blocks
	go func() { waited <- s.WaitIndex(ctx, last) }()
	for i := range 3 {
		select {
		case err := <-waited:
			t.Fatalf("the wait ended %d entries early: %v", 3-i, err)
		default:
		}
		changed := s.Changed()
		s.propose(ack(0))
		<-changed
	}
	if err := <-waited; err != nil {
		t.Errorf("waiting for an index that came: %v", err)
	}
	cancel()
	if err := s.WaitIndex(ctx, s.index+1); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting without time: %v", err)
	}
	if err := s.WaitIndex(ctx, s.index); err != nil {
		t.Errorf("an applied index needs no time: %v", err)
	}
}

func TestRestoreWakesWhoWaits(t *testing.T) {
	ahead, behind := busyShard(t), newReplica(shardConfig)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	waited := make(chan error, 1) // the one send never blocks
	go func() { waited <- behind.WaitIndex(ctx, ahead.index) }()
	if err := restore(behind.Machine, snapshotOf(t, ahead.Machine)); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
}

func TestChangesGrowsWithEveryEntry(t *testing.T) {
	s := newShard(t)
	for _, e := range []entry{batches{now: noon}, tick{noon, noon}, ack(1), settings{Revision: 2}} {
		before := s.Changes()
		s.propose(e)
		if s.Changes() <= before || s.Index() != s.index {
			t.Errorf("after %T%v: changes %d, were %d, index %d, want %d", e, e, s.Changes(), before, s.Index(), s.index)
		}
	}
}

// An entry that cannot be decoded must stop the process: to skip it would make
// replicas differ. Whoever reads meanwhile is not blocked by that.
func TestUnknownEntryPanics(t *testing.T) {
	valid := batches{noon, []batch{{"node-1", 1, 1, []fsm.Record{put("ann", "RU", noon+minute)}}}}.encode()
	badRecord := fsm.AppendBatch(fsm.AppendBatchHeader(nil, noon), fsm.Batch{Origin: "node-1", Count: 2, Records: []byte{9}})
	for what, data := range map[string][]byte{
		"empty":                    {},
		"a newer version":          append([]byte{2}, valid[1:]...),
		"an unknown kind":          {1, 9},
		"a batch cut short":        valid[:len(valid)-1],
		"a batch with more":        append(valid[:len(valid):len(valid)], 0),
		"an unknown op":            badRecord,
		"a tick cut short":         tick{noon, noon}.encode()[:5],
		"a tick with more":         append(tick{noon, noon}.encode(), 0),
		"an instant out of range":  {1, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0},
		"an empty acknowledgement": {1, 3},
		"settings cut short":       settings{}.encode()[:4],
	} {
		t.Run(what, func(t *testing.T) {
			s := newShard(t)
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
				s.Stats()
			}()
			s.apply(s.index+1, data)
		})
	}
}

// Memory follows the memberships that exist: what was drained is freed while the
// next few hundred entries pass, in as many segments as it may be.
func TestDrainedMembershipsAreFreed(t *testing.T) {
	const segments, users = 200, 1000
	s := newShard(t)
	s.propose(settings{Revision: 2, SegmentsMax: segments})
	var titles []string
	for i := range segments {
		titles = append(titles, numbered("segment", i))
	}
	for i := range users {
		var records []fsm.Record
		for _, title := range titles {
			expiry := noon + int64(minute)
			if i == 0 {
				expiry += 9 * minute // so that no segment vanishes
			}
			records = append(records, put(numbered("user", i), title, expiry))
		}
		s.write(noon, records...)
	}
	full := s.UsedBytes()
	s.tick(noon+minute, noon+minute)
	for range 300 {
		s.propose(ack(0))
	}
	if got := s.Stats().Memberships; got != segments {
		t.Fatalf("%d memberships are stored, want %d", got, segments)
	}
	// A page and a piece are left of each segment, and of its counts a group.
	if left := s.UsedBytes(); left > segments*(384+64+64) {
		t.Errorf("%d bytes are left of %d after the tick", left, full)
	}
}

func TestLongestNames(t *testing.T) {
	s := newShard(t)
	long := strings.Repeat("é", fsm.NameBytesMax/2)
	b := batch{strings.Repeat("n", fsm.OriginBytesMax), 1<<64 - 1, 1<<64 - 1, []fsm.Record{put(long, long, noon+minute)}}
	if _, err := fsm.CheckBatch(b.encode()); err != nil {
		t.Fatal(err)
	}
	s.wantStatuses(s.send(noon, b).Statuses, fsm.Created)
	joined := newReplica(shardConfig)
	if err := restore(joined.Machine, snapshotOf(t, s.Machine)); err != nil {
		t.Fatal(err)
	}
	wantSame(t, joined.Machine, s.Machine)
}
