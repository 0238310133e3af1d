package fsm_test

import (
	"math"
	"slices"
)

// steps are what may happen to a shard, each with how often.
var steps = []struct {
	weight int
	step   func(*trial)
}{
	{36, (*trial).stepBatches},
	{8, (*trial).stepTick},
	{6, (*trial).stepAck},
	{3, (*trial).stepSettings},
	{12, (*trial).stepTimePasses},
	{8, (*trial).stepRead},
	{6, (*trial).stepCountsAt},
	{8, (*trial).stepForecast},
	{8, (*trial).stepOverlap},
	{6, (*trial).stepSegmentHistory},
	{6, (*trial).stepFollow},
	{4, (*trial).stepSnapshot},
	{6, (*trial).stepPersist},
	{3, (*trial).stepRestore},
	{3, (*trial).stepRelease},
}

// step does one thing and compares everything.
func (tr *trial) step() {
	tr.t.Helper()
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	n := tr.draw.below(total)
	for _, s := range steps {
		if n -= s.weight; n < 0 {
			s.step(tr)
			tr.check("after the step")
			return
		}
	}
}

// finish lets everybody catch up and persists what is still held.
func (tr *trial) finish() {
	tr.t.Helper()
	tr.follow()
	for len(tr.snapshots) > 0 {
		tr.restoreFresh(tr.snapshots[0])
		tr.release(0)
	}
	tr.check("at the end")
}

func (tr *trial) stepBatches() {
	e := batches{now: tr.leaderClock()}
	for range 1 + tr.draw.below(3) {
		e.list = append(e.list, tr.drawBatch())
	}
	tr.propose(e)
}

func (tr *trial) stepTick() {
	e := tick{Now: tr.leaderClock(), Scheduled: roundDown(tr.clock, 5*tr.config.BucketSeconds)}
	switch tr.draw.below(8) {
	case 0:
		e.Scheduled = tr.model.lastTick
	case 1:
		e.Scheduled = tr.near()
	case 2: // the next of several that were missed
		e.Scheduled = min(tr.model.lastTick+5*tr.config.BucketSeconds, tr.clock)
	case 3:
		e.Scheduled = 0
	}
	tr.propose(e)
}

func (tr *trial) stepAck() {
	e := ack(tr.draw.below(256))
	if owed := tr.model.owed(); len(owed) > 0 && tr.draw.below(8) > 0 {
		e = ack(owed[tr.draw.below(len(owed))].index)
	} else if tr.draw.below(8) == 0 {
		e = math.MaxUint64
	}
	tr.propose(e)
}

func (tr *trial) stepSettings() {
	tr.propose(settings{
		Revision:       tr.model.settings.Revision + uint64(tr.draw.below(4)+1)/2,
		SegmentsMax:    pick(tr.draw, []uint64{4, 4, 2, 1, 0, math.MaxUint64}),
		OutboxBytesMax: pick(tr.draw, []uint64{1 << 20, 300, 1, 0, math.MaxUint64}),
		HistoryPoints:  pick(tr.draw, []uint64{3, 1, 0, math.MaxUint64}),

		OutboxWindowBytesMax: pick(tr.draw, []uint64{0, 1_000, 200, math.MaxUint64}),
		OutboxWindowSeconds:  pick(tr.draw, []uint64{0, 100, 1, math.MaxUint64}),
	})
}

func (tr *trial) stepTimePasses() {
	width := tr.config.BucketSeconds
	tr.clock += pick(tr.draw, []int64{1, width/2 + 1, width, 3 * width, 30 * width, -width})
	tr.note("the clock shows %d", tr.clock)
}

// stepRead reads one replica at some instant, which moves its horizon and nothing
// else. A single segment is read before the rest, at its own instant.
func (tr *trial) stepRead() {
	r := pick(tr.draw, []*replica{tr.leader, tr.follower})
	at, title := tr.near(), pick(tr.draw, trialTitles)
	digest, changes := r.Stats().Digest, r.Changes()
	count, _ := r.Count(at, []byte(title))
	r.clock(at)
	tr.note("read at %d: %d in %.8s", at, count, title)
	if r == tr.leader {
		if want := tr.model.counts(r.readAt)[title]; count != want {
			tr.fatalf("%d users in %q at %d, want %d", count, title, r.readAt, want)
		}
	}
	if r.Stats().Digest != digest || r.Changes() != changes {
		tr.fatalf("a read changed the state")
	}
	tr.checkPages(uint64(tr.draw.below(256)), 1+tr.draw.below(8))
}

// checkPages reads the outbox in pages: whole entries in order, none twice, none
// lost, and no more rows than asked for unless one entry alone has more.
func (tr *trial) checkPages(index uint64, rowsMax int) {
	var got, want []request
	all := slices.Concat(tr.model.blocks...)
	for _, n := range all {
		if n.index > index {
			want = append(want, n.records...)
		}
	}
	for _, page := range outboxOf(tr.leader.Machine, index, rowsMax) {
		got = append(got, page.records...)
		if len(page.records) > rowsMax && !slices.ContainsFunc(all, func(n news) bool {
			return n.index == page.index && len(n.records) == len(page.records)
		}) {
			tr.fatalf("a page of several entries has %d rows, more than %d", len(page.records), rowsMax)
		}
	}
	if !slices.Equal(got, want) {
		tr.fatalf("the outbox above %d in pages of %d: %v, want %v", index, rowsMax, got, want)
	}
}

func (tr *trial) stepFollow() {
	tr.note("the follower catches up")
	tr.follow()
}

func (tr *trial) follow() {
	tr.t.Helper()
	tr.replay("the follower", tr.follower, tr.followed)
	tr.followed = len(tr.log)
}

// snapshotsMax is how many snapshots are held at once. Raft holds one; the order
// of two must not matter all the same.
const snapshotsMax = 2

func (tr *trial) stepSnapshot() {
	if len(tr.snapshots) == snapshotsMax {
		return
	}
	tr.note("snapshot")
	tr.snapshots = append(tr.snapshots, &heldSnapshot{
		FSMSnapshot: takeSnapshot(tr.t, tr.leader.Machine),
		applied:     len(tr.log),
		digest:      tr.leader.Stats().Digest,
		view:        tr.model.view(0, trialIDs),
	})
}

// stepPersist persists a snapshot, while the leader has gone on, into a machine
// that knows nothing.
func (tr *trial) stepPersist() {
	if len(tr.snapshots) > 0 {
		tr.restoreFresh(pick(tr.draw, tr.snapshots))
	}
}

func (tr *trial) restoreFresh(s *heldSnapshot) {
	tr.t.Helper()
	tr.note("restore a new replica after %d of %d entries", s.applied, len(tr.log))
	tr.restoreInto("a new replica", newReplica(tr.config), tr.persisted(s))
}

func (tr *trial) persisted(s *heldSnapshot) *heldSnapshot {
	if s.data == nil {
		s.data = persist(tr.t, s.FSMSnapshot)
	}
	return s
}

// stepRestore installs a snapshot over the state of the leader or the follower,
// other snapshots of the leader's old state being still held.
func (tr *trial) stepRestore() {
	if len(tr.snapshots) == 0 {
		return
	}
	s := tr.persisted(pick(tr.draw, tr.snapshots))
	if tr.draw.below(2) == 0 {
		tr.note("restore the leader after %d of %d entries", s.applied, len(tr.log))
		tr.restoreInto("the leader", tr.leader, s)
		return
	}
	tr.note("restore the follower after %d of %d entries", s.applied, len(tr.log))
	tr.restoreInto("the follower", tr.follower, s)
	tr.followed = len(tr.log)
}

func (tr *trial) stepRelease() {
	if n := len(tr.snapshots); n > 0 {
		tr.release(tr.draw.below(n))
	}
}

func (tr *trial) release(i int) {
	tr.note("release the snapshot after %d entries", tr.snapshots[i].applied)
	tr.snapshots[i].Release()
	tr.snapshots = slices.Delete(tr.snapshots, i, i+1)
}
