package fsm_test

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"headcount/fsm"
)

// Buckets as far apart as they may be, each earlier than the one before, in seconds.
func TestEverEarlierBuckets(t *testing.T) {
	config := shardConfig
	config.BucketSeconds = 1
	config.Born = noon
	s := &shard{t: t, replica: newReplica(config)}
	twin := &shard{t: t, replica: newReplica(config)}
	for _, x := range []*shard{s, twin} {
		x.propose(settings{Revision: 1, SegmentsMax: 1}) // no outbox, which would tell them apart
	}
	const users, step = 20_000, 1_500
	var records []fsm.Record
	for i := users; i > 0; i-- {
		records = append(records, put(numbered("user", i), "RU", noon+int64(i)*step))
	}
	s.write(noon, records...)
	slices.SortFunc(records, func(a, b fsm.Record) int { return cmp.Compare(a.Expiry, b.Expiry) })
	twin.write(noon, records...)
	for i := 0; i <= users; i += users / 4 {
		now := noon + int64(i)*step
		if i > 0 {
			s.tick(now, now)
			twin.tick(now, now)
		}
		if got, _ := s.Count(now, []byte("RU")); got != int64(users-i) {
			t.Errorf("%d users at %d, want %d", got, i, users-i)
		}
		if s.Stats().Digest != twin.Stats().Digest {
			t.Errorf("at %d: the order has changed the digest", i)
		}
	}
}

// The last bucket that there is can be counted, drained and restored.
func TestLastBucketThereIs(t *testing.T) {
	const last = math.MaxUint32
	config := shardConfig
	config.BucketSeconds = 1
	config.Born = last - 1_000
	s := &shard{t: t, replica: newReplica(config)}
	s.propose(shardSettings)
	s.wantStatuses(s.write(last-1_000, put("ann", "RU", last), put("bob", "RU", last-1), put("cid", "RU", last+1), put("ann", "news", last)),
		fsm.Created, fsm.Created, fsm.OutOfRange, fsm.Created)
	s.wantCounts(last-2, map[string]int64{"RU": 2, "news": 1})
	joined := newReplica(config)
	if err := restore(joined.Machine, snapshotOf(t, s.Machine)); err != nil || joined.Stats() != s.Stats() {
		t.Fatalf("%v\n%+v\n%+v", err, joined.Stats(), s.Stats())
	}
	s.wantCounts(last-1, map[string]int64{"RU": 1, "news": 1})
	s.tick(last-1, last-1)
	s.wantCounts(last-1, map[string]int64{"RU": 1, "news": 1})
	counts := []int64{0, 0, 0}
	s.Forecast(last-1, []byte("RU"), []int64{0, last, math.MaxInt64}, counts)
	if !slices.Equal(counts, []int64{1, 0, 0}) {
		t.Errorf("forecast %v", counts)
	}
	s.tick(last+5, last+5)
	s.wantCounts(last+5, map[string]int64{})
	s.wantStatuses(s.write(last+5, put("ann", "RU", last+9), put("ann", "RU", last)), fsm.OutOfRange, fsm.Expired)
	if st := s.Stats(); st.Memberships != 0 || st.Segments != 0 || st.Watermark != last {
		t.Errorf("%+v", st)
	}
}
