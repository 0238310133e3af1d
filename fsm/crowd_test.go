package fsm_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"headcount/fsm"
)

// crowd is a shard with many users beside a plain map of when each membership ends.
type crowd struct {
	*shard
	r      *rand.Rand
	zipf   *rand.Zipf
	users  int
	titles []string // the first has most of the users
	clock  int64
	time   int64 // the highest that any entry carried
	ends   map[string]map[string]int64
	log    []logged
	held   []*heldCrowd
}

// heldCrowd is a snapshot that is not persisted yet, and what it must hold.
type heldCrowd struct {
	takenSnapshot
	applied int
	ends    map[string]map[string]int64
}

func newCrowd(t *testing.T, seed uint64, users, segments int) *crowd {
	c := &crowd{
		shard: newShard(t), r: rand.New(rand.NewPCG(seed, 0)), users: users,
		clock: noon, time: noon - day, ends: map[string]map[string]int64{},
	}
	c.note(settings{Revision: 2, SegmentsMax: 100, OutboxBytesMax: 1 << 40, HistoryPoints: 3})
	c.zipf = rand.NewZipf(c.r, 1.3, 2, uint64(segments-1))
	for i := range segments {
		c.titles = append(c.titles, numbered("segment", i))
		c.ends[c.titles[i]] = map[string]int64{}
	}
	return c
}

func (c *crowd) put(id, title string, expiry int64) fsm.Status {
	end, held := roundUp(expiry, minute), c.ends[title]
	old := held[id]
	switch {
	case old > c.time && end <= old:
		return fsm.Unchanged
	case expiry <= c.time:
		return fsm.Expired
	}
	held[id] = end
	if old > c.time {
		return fsm.Renewed
	}
	return fsm.Created
}

func (c *crowd) remove(id, title string) fsm.Status {
	old := c.ends[title][id]
	delete(c.ends[title], id)
	if old > c.time {
		return fsm.Deleted
	}
	return fsm.Absent
}

// write applies a batch in which a user comes several times now and then.
func (c *crowd) write(records int) {
	c.t.Helper()
	c.time = max(c.time, c.clock)
	var list []fsm.Record
	var want []fsm.Status
	near := c.r.IntN(c.users)
	for range records {
		id := numbered("user", c.r.IntN(c.users))
		if c.r.IntN(4) == 0 {
			id = numbered("user", (near+c.r.IntN(5))%c.users)
		}
		title := c.titles[c.zipf.Uint64()]
		switch c.r.IntN(20) {
		case 0:
			list = append(list, erase(id))
			for _, held := range c.ends {
				delete(held, id)
			}
			want = append(want, fsm.Erased)
		case 1, 2, 3:
			list, want = append(list, remove(id, title)), append(want, c.remove(id, title))
		default:
			expiry := c.clock - 5*minute + int64(c.r.IntN(2*day))
			list, want = append(list, put(id, title, expiry)), append(want, c.put(id, title, expiry))
		}
	}
	c.sequence++
	e := batches{c.clock, []batch{{"node-1", 1, c.sequence, list}}}
	got := c.note(e).(fsm.Result).Batches[0]
	if got.Verdict != fsm.Applied || !slices.Equal(got.Statuses, want) {
		for i := range want {
			if got.Statuses[i] != want[i] {
				c.t.Fatalf("record %d of entry %d, %v: status %d, want %d", i, c.index, list[i], got.Statuses[i], want[i])
			}
		}
		c.t.Fatalf("verdict %d", got.Verdict)
	}
}

// note applies an entry and keeps it for those that follow.
func (c *crowd) note(e entry) any {
	result := c.propose(e)
	c.log = append(c.log, logged{index: c.index, data: e.encode(), digest: c.Stats().Digest, result: result})
	return result
}

func (c *crowd) tick() {
	c.time = max(c.time, c.clock)
	c.note(tick{c.clock, c.clock})
	c.note(ack(c.index))
	for _, held := range c.ends {
		maps.DeleteFunc(held, func(_ string, end int64) bool { return end <= roundDown(c.clock, minute) })
	}
}

// check compares the counts, some users and an overlap.
func (c *crowd) check(m *fsm.Machine, ends map[string]map[string]int64, now int64) {
	c.t.Helper()
	want := map[string]int64{}
	for title, held := range ends {
		for _, end := range held {
			if end > now {
				want[title]++
			}
		}
	}
	got := map[string]int64{}
	m.Counts(now, func(title string, count int64) { got[title] = count })
	if !maps.Equal(got, want) {
		c.t.Fatalf("counts %v, want %v", got, want)
	}
	for range 20 {
		id := numbered("user", c.r.IntN(c.users))
		var wantHeld []fsm.Membership
		for _, title := range slices.Sorted(maps.Keys(ends)) {
			if end := ends[title][id]; end > now {
				wantHeld = append(wantHeld, fsm.Membership{Segment: title, Expiry: end})
			}
		}
		if gotHeld := m.User(now, []byte(id)); !slices.Equal(gotHeld, wantHeld) {
			c.t.Fatalf("%s is in %v, want in %v", id, gotHeld, wantHeld)
		}
	}
	titles := slices.Clone(c.titles)
	c.r.Shuffle(len(titles), func(i, j int) { titles[i], titles[j] = titles[j], titles[i] })
	c.checkOverlap(m, ends, now, titles[:2+c.r.IntN(3)])
}

func (c *crowd) checkOverlap(m *fsm.Machine, ends map[string]map[string]int64, now int64, titles []string) {
	c.t.Helper()
	got, err := m.Overlap(c.t.Context(), now, titles)
	want, in := fsm.Overlap{Index: m.Index()}, map[string]int{}
	for _, title := range titles {
		n := int64(0)
		for id, end := range ends[title] {
			if end > now {
				n++
				in[id]++
			}
		}
		want.Segments = append(want.Segments, n)
	}
	want.Union = int64(len(in))
	for _, n := range in {
		if n == len(titles) {
			want.Intersection++
		}
	}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		c.t.Fatalf("overlap of %v: %+v, %v, want %+v", titles, got, err, want)
	}
}

func (c *crowd) hold() {
	h := &heldCrowd{takenSnapshot{takeSnapshot(c.t, c.Machine), c.Stats()}, len(c.log), map[string]map[string]int64{}}
	for title, held := range c.ends {
		h.ends[title] = maps.Clone(held)
	}
	c.held = append(c.held, h)
}

// persist persists a snapshot that was taken some time ago, into a new replica, which
// then follows the log.
func (c *crowd) persist(i int) {
	c.t.Helper()
	h := c.held[i]
	c.held = slices.Delete(c.held, i, i+1)
	joined := newReplica(shardConfig)
	err := restore(joined.Machine, persist(c.t, h))
	h.Release()
	if err != nil || joined.Stats() != h.stats {
		c.t.Fatalf("a snapshot restored: %v\ngot  %+v\nwant %+v", err, joined.Stats(), h.stats)
	}
	c.check(joined.Machine, h.ends, h.stats.Time)
	for _, l := range c.log[h.applied:] {
		if got := joined.apply(l.index, l.data); fmt.Sprint(got) != fmt.Sprint(l.result) || joined.Stats().Digest != l.digest {
			c.t.Fatalf("entry %d on a replica that was restored differs", l.index)
		}
	}
	c.check(joined.Machine, c.ends, c.clock)
	if c.r.IntN(2) == 0 { // the rest is up to the replica
		c.Machine = joined.Machine
	}
}

// Tens of thousands of users come, go and are drained; what is persisted meanwhile is
// what was there when it was taken.
func TestCrowdBehavesLikeMap(t *testing.T) {
	for seed, users := range []int{40_000, 3_000, 30} {
		t.Run(numbered("users", users), func(t *testing.T) {
			steps := 150
			if raceDetector {
				steps = 40
			}
			c := newCrowd(t, uint64(seed), users, 9)
			for range steps {
				c.clock += int64(c.r.IntN(20 * minute))
				c.write(1 + c.r.IntN(3_000))
				switch c.r.IntN(10) {
				case 0, 1:
					c.tick()
				case 2:
					if len(c.held) < 3 {
						c.hold()
					}
				case 3:
					if n := len(c.held); n > 0 {
						c.persist(c.r.IntN(n))
					}
				case 4:
					c.clock += day
				case 5:
					c.check(c.Machine, c.ends, c.clock)
				}
			}
			for len(c.held) > 0 {
				c.persist(0)
			}
			c.check(c.Machine, c.ends, c.clock)
			c.clock += 3 * day
			c.tick()
			c.check(c.Machine, c.ends, c.clock)
			if st := c.Stats(); st.Memberships != 0 || st.Segments != 0 {
				t.Errorf("after all have expired: %+v", st)
			}
		})
	}
}
