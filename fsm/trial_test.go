package fsm_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"headcount/fsm"
)

// Few names, so that memberships collide; one title is as long as may be.
var (
	trialIDs    = []string{"ann", "bob", "cid", "dot", "eve"}
	trialTitles = []string{"RU", "sports", "news", strings.Repeat("z", fsm.NameBytesMax)}
	trialNodes  = []string{"node-1", "node-2", "node-3"}
)

// trialMemoryBytes is what a leader that spools keeps in memory of sealed blocks.
const trialMemoryBytes = 100

// trial drives a leader, a follower that lags, and the model by the same
// operations, and compares them after every step.
type trial struct {
	t      testing.TB
	draw   draws
	config fsm.Config

	clock int64 // of the world, Unix seconds
	model *model
	log   []logged // every entry so far

	leader    *replica
	spools    bool // the leader does
	follower  *replica
	followed  int // entries the follower has applied
	behind    followerModel
	snapshots []*heldSnapshot
	sent      map[string]batch // the last batch of each origin, applied or not

	digests      map[string]uint64 // by fingerprint
	fingerprints map[uint64]string // by digest
	trace        []func() string   // the steps so far, told only if something fails
	tally        map[string]int    // how often what happened
}

type logged struct {
	index  uint64
	entry  entry
	data   []byte
	digest uint64 // of the leader after it
	result any
}

// heldSnapshot is a snapshot of the leader, not released yet.
type heldSnapshot struct {
	raft.FSMSnapshot
	applied int    // entries of the log it holds
	digest  uint64 // of the leader when it was taken
	view    view   // of the model when it was taken, for a reader with no clock
	data    []byte // once persisted
}

func newTrial(t testing.TB, draw draws) *trial {
	width := []int64{1, 7, 60}[draw.below(3)]
	config := fsm.Config{
		Shard:         3,
		Incarnation:   [16]byte{1, 2, 3},
		HashKey:       [16]byte{4, 5, 6},
		BucketSeconds: width,
		Born:          int64(draw.below(2)) * 100 * width,
		BlockBytes:    []int64{1, 50, 200}[draw.below(3)],
	}
	tr := &trial{
		t:            t,
		draw:         draw,
		config:       config,
		clock:        100*width + int64(draw.below(3)),
		model:        newModel(config),
		leader:       newReplica(config),
		follower:     newReplica(config),
		sent:         map[string]batch{},
		digests:      map[string]uint64{},
		fingerprints: map[uint64]string{},
		tally:        map[string]int{},
	}
	tr.spools = tr.draw.below(2) == 0
	if tr.spools {
		tr.leader.UseSpool(fsm.Spool{Dir: t.TempDir(), MemoryBytes: trialMemoryBytes, FloodBytes: 1 << 20})
	}
	tr.check("born")
	return tr
}

func (tr *trial) note(format string, args ...any) {
	tr.trace = append(tr.trace, func() string { return fmt.Sprintf(format, args...) })
}

func (tr *trial) fatalf(format string, args ...any) {
	tr.t.Helper()
	var steps strings.Builder
	for _, tell := range tr.trace {
		steps.WriteString("\n" + tell())
	}
	tr.t.Fatalf("%s\nwidth %d, steps:%s", fmt.Sprintf(format, args...), tr.config.BucketSeconds, steps.String())
}

// propose applies an entry to the leader and to the model.
func (tr *trial) propose(e entry) {
	tr.t.Helper()
	index := tr.model.index + 1 + uint64(tr.draw.below(2)) // Raft keeps some entries for itself
	tr.note("entry %d: %T %+v", index, e, e)
	data := e.encode()
	given := slices.Clone(data)
	got, want := tr.leader.apply(index, data), tr.model.apply(index, e)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		tr.fatalf("entry %d returned %v, want %v", index, got, want)
	}
	if !slices.Equal(data, given) {
		tr.fatalf("Apply wrote to the entry it was given")
	}
	tr.log = append(tr.log, logged{index, e, data, tr.leader.Stats().Digest, got})
	tr.spool(tr.leader)
	tr.checkDigest()
	if result, ok := got.(fsm.Result); ok {
		tr.count(result)
	}
}

// spool has a replica's outbox spooled, if it spools.
func (tr *trial) spool(r *replica) {
	tr.t.Helper()
	if err := r.SpoolOutbox(); err != nil {
		tr.fatalf("%v", err)
	}
	st := r.Stats()
	// The open block, which is never spooled, has less than the blocks have.
	if most := trialMemoryBytes + tr.config.BlockBytes; tr.spools && r == tr.leader && st.OutboxMemoryBytes > most {
		tr.fatalf("memory has %d bytes of the outbox, more than %d", st.OutboxMemoryBytes, most)
	}
	if all := st.OutboxBytes + st.OutboxWindowBytes; st.OutboxMemoryBytes < all {
		tr.tally["spooled"]++
	} else if st.OutboxMemoryBytes > all {
		tr.fatalf("memory has %d bytes of an outbox of %d", st.OutboxMemoryBytes, all)
	}
}

func (tr *trial) count(result fsm.Result) {
	for _, b := range result.Batches {
		tr.tally[fmt.Sprintf("verdict %d", b.Verdict)]++
		for _, s := range b.Statuses {
			tr.tally[fmt.Sprintf("status %d", s)]++
		}
	}
}

// checkDigest holds the leader's digest against the model's facts: equal for
// equal facts, whatever way led there, and different for different ones.
func (tr *trial) checkDigest() {
	tr.t.Helper()
	digest, fingerprint := tr.leader.Stats().Digest, tr.model.fingerprint()
	if other, ok := tr.digests[fingerprint]; ok && other != digest {
		tr.fatalf("the digest of the same facts was %016x and is %016x: %s", other, digest, fingerprint)
	}
	if other, ok := tr.fingerprints[digest]; ok && other != fingerprint {
		tr.fatalf("digest %016x stands for two states:\n%s\n%s", digest, other, fingerprint)
	}
	tr.digests[fingerprint], tr.fingerprints[digest] = digest, fingerprint
}

// check compares everything that can be read from the leader with the model.
func (tr *trial) check(what string) {
	tr.t.Helper()
	tr.checkView(what, tr.leader)
	if tr.leader.Index() != tr.model.index || tr.leader.OutboxAcked() != tr.model.acked {
		tr.fatalf("%s: index %d acked %d, want %d %d", what,
			tr.leader.Index(), tr.leader.OutboxAcked(), tr.model.index, tr.model.acked)
	}
}

func (tr *trial) checkView(what string, r *replica) {
	tr.t.Helper()
	got, want := r.view(trialIDs).String(), tr.model.view(r.readAt, trialIDs).String()
	if got != want {
		tr.fatalf("%s:\ngot\n%s\nwant\n%s", what, got, want)
	}
}

// replay applies the entries of the log from position applied on, each of which
// must leave r as it left the leader.
func (tr *trial) replay(what string, r *replica, applied int) {
	tr.t.Helper()
	if applied < len(tr.log) {
		tr.tally[what+" catches up"]++
	}
	for _, l := range tr.log[applied:] {
		if got := r.apply(l.index, l.data); fmt.Sprint(got) != fmt.Sprint(l.result) {
			tr.fatalf("%s: entry %d returned %v, want %v", what, l.index, got, l.result)
		}
		if got := r.Stats().Digest; got != l.digest {
			tr.fatalf("%s: digest after entry %d is %016x, want %016x", what, l.index, got, l.digest)
		}
	}
	tr.spool(r)
	tr.checkView(what, r)
}

// restoreInto makes r what the snapshot held, then lets it catch up.
func (tr *trial) restoreInto(what string, r *replica, s *heldSnapshot) {
	tr.t.Helper()
	// What was drained here is not counted again, though the snapshot be older.
	r.readAt = max(r.readAt, r.Stats().Watermark)
	if err := restore(r.Machine, s.data); err != nil {
		tr.fatalf("%s: %v", what, err)
	}
	if got := r.Stats().Digest; got != s.digest {
		tr.fatalf("%s: digest %016x, want %016x", what, got, s.digest)
	}
	if r.readAt == 0 {
		if got := r.view(trialIDs); got.String() != s.view.String() {
			tr.fatalf("%s:\ngot\n%s\nwant\n%s", what, got, s.view)
		}
	}
	tr.replay(what, r, s.applied)
}
