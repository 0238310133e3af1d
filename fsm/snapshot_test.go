package fsm_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"headcount/fsm"
)

// busyShard has something of everything that a snapshot holds.
func busyShard(t testing.TB) *shard {
	s := newShard(t)
	s.write(noon,
		put("ann", "RU", noon+minute), put("bob", "RU", noon+5*minute), put("ann", "sports", noon+90*minute),
		put("cid", "news", noon-1), remove("dot", "RU"), erase("eve"))
	s.tick(noon+minute, noon+minute)
	s.propose(ack(2))
	s.send(noon+minute, batch{"node-2", 8, 1, []fsm.Record{put("dot", "news", noon+3*minute)}})
	s.send(noon+minute, batch{"node-3", 1, 5, nil})
	s.tick(noon+2*minute, noon+2*minute)
	s.propose(settings{Revision: 9, SegmentsMax: 4, OutboxBytesMax: 1 << 12, HistoryPoints: 5})
	s.write(noon+2*minute, put("fay", "RU", noon+2*minute+1))
	return s
}

var busyIDs = []string{"ann", "bob", "cid", "dot", "eve", "fay"}

// wantSame compares all that can be read from two machines, digests included.
func wantSame(t *testing.T, got, want *fsm.Machine) {
	t.Helper()
	a, b := (&replica{Machine: got}).view(busyIDs), (&replica{Machine: want}).view(busyIDs)
	if a.String() != b.String() || got.Stats().Digest != want.Stats().Digest {
		t.Errorf("digest %016x:\n%s\nwant digest %016x:\n%s", got.Stats().Digest, a, want.Stats().Digest, b)
	}
}

func TestRestoreOfEmptyMachine(t *testing.T) {
	empty, full := newReplica(shardConfig), busyShard(t)
	if err := restore(full.Machine, snapshotOf(t, empty.Machine)); err != nil {
		t.Fatal(err)
	}
	wantSame(t, full.Machine, empty.Machine)
}

func TestSnapshotHoldsItsIndexStill(t *testing.T) {
	s, twin := busyShard(t), busyShard(t)
	held := takeSnapshot(t, s.Machine)
	defer held.Release()
	s.write(noon+2*minute, put("bob", "RU", noon+9*minute), erase("ann"), put("gus", "new", noon+9*minute))
	s.propose(ack(s.index))
	s.tick(noon+60*minute, noon+60*minute)
	s.write(noon+60*minute, put("dot", "news", noon+90*minute))

	joined := newReplica(shardConfig)
	if err := restore(joined.Machine, persist(t, held)); err != nil {
		t.Fatal(err)
	}
	wantSame(t, joined.Machine, twin.Machine)
}

// Every user of a segment with several frames of members, each of which is moved,
// ended or drained after the snapshot was taken and before it is persisted.
func TestSnapshotOfManyMembersWhileTheyChange(t *testing.T) {
	const users = 10_000
	build := func() *shard {
		s := newShard(t)
		var all []fsm.Record
		for i := range users {
			all = append(all, put(numbered("user", i), "RU", noon+int64(1+i%3)*minute))
		}
		s.write(noon, all...)
		return s
	}
	s, twin := build(), build()
	held := takeSnapshot(t, s.Machine)
	defer held.Release()
	var change []fsm.Record
	for i := range users {
		if i%2 == 0 {
			change = append(change, put(numbered("user", i), "RU", noon+8*minute))
		} else {
			change = append(change, remove(numbered("user", i), "RU"))
		}
	}
	s.write(noon, change...)
	s.tick(noon+8*minute, noon+8*minute)

	joined := newReplica(shardConfig)
	if err := restore(joined.Machine, persist(t, held)); err != nil {
		t.Fatal(err)
	}
	wantSame(t, joined.Machine, twin.Machine)
	for _, i := range []int{0, 1, users - 1} {
		if got := joined.User(noon, []byte(numbered("user", i))); len(got) != 1 || got[0].Expiry != noon+int64(1+i%3)*minute {
			t.Errorf("user %d: %v", i, got)
		}
	}
}

func TestSnapshotsMayBeReleasedInAnyOrder(t *testing.T) {
	s, twin := busyShard(t), busyShard(t)
	first, second := takeSnapshot(t, s.Machine), takeSnapshot(t, s.Machine)
	second.Release()
	second.Release() // once more changes nothing
	s.write(noon+2*minute, erase("ann"), erase("bob"), erase("fay"), put("dot", "news", noon+90*minute))
	joined := newReplica(shardConfig)
	if err := restore(joined.Machine, persist(t, first)); err != nil {
		t.Fatal(err)
	}
	first.Release()
	wantSame(t, joined.Machine, twin.Machine)
}

func TestRestoreWhileASnapshotIsHeld(t *testing.T) {
	s, twin, other := busyShard(t), busyShard(t), newShard(t)
	other.write(noon, put("gus", "RU", noon+7*minute))
	held := takeSnapshot(t, s.Machine)
	if err := restore(s.Machine, snapshotOf(t, other.Machine)); err != nil {
		t.Fatal(err)
	}
	s.index = other.index
	next := takeSnapshot(t, s.Machine)
	joined := newReplica(shardConfig)
	if err := restore(joined.Machine, persist(t, held)); err != nil {
		t.Fatal(err)
	}
	wantSame(t, joined.Machine, twin.Machine)

	held.Release() // of a state that is gone: the snapshot of the new one stays frozen
	s.send(noon, batch{"node-9", 1, 1, []fsm.Record{erase("gus")}})
	if err := restore(joined.Machine, persist(t, next)); err != nil {
		t.Fatal(err)
	}
	next.Release()
	wantSame(t, joined.Machine, other.Machine)
}

// A reader who was told that somebody had expired is not told otherwise because
// the replica was restored meanwhile.
func TestRestoreDoesNotTakeReadersBack(t *testing.T) {
	s := newShard(t)
	s.write(noon, put("ann", "RU", noon+minute), put("bob", "RU", noon+2*minute))
	s.wantCounts(noon+minute, map[string]int64{"RU": 1})
	if err := restore(s.Machine, snapshotOf(t, s.Machine)); err != nil {
		t.Fatal(err)
	}
	s.wantCounts(noon, map[string]int64{"RU": 1})
}

func TestFailedPersistCancelsTheSink(t *testing.T) {
	s := busyShard(t)
	size := len(snapshotOf(t, s.Machine))
	for _, room := range []int{0, 1, size - 1} {
		held, to := takeSnapshot(t, s.Machine), newSink()
		to.room = room
		if err := held.Persist(to); !errors.Is(err, io.ErrShortWrite) || to.closed || !to.cancelled {
			t.Errorf("room for %d of %d bytes: %v, closed=%t cancelled=%t", room, size, err, to.closed, to.cancelled)
		}
		held.Release()
	}
	joined := newReplica(shardConfig)
	if err := restore(joined.Machine, snapshotOf(t, s.Machine)); err != nil {
		t.Fatal(err)
	}
	wantSame(t, joined.Machine, s.Machine)
}

func TestSnapshotOfAnotherShardIsRefused(t *testing.T) {
	data := snapshotOf(t, busyShard(t).Machine)
	for what, change := range map[string]func(*fsm.Config){
		"shard":        func(c *fsm.Config) { c.Shard++ },
		"incarnation":  func(c *fsm.Config) { c.Incarnation[7]++ },
		"hash key":     func(c *fsm.Config) { c.HashKey[7]++ },
		"bucket width": func(c *fsm.Config) { c.BucketSeconds++ },
		"birth":        func(c *fsm.Config) { c.Born++ },
	} {
		c := shardConfig
		change(&c)
		if err := restore(fsm.New(c), data); !errors.Is(err, fsm.ErrSnapshot) {
			t.Errorf("another %s: %v, want ErrSnapshot", what, err)
		}
	}
}

// closer says whether it was closed, which fails.
type closer struct {
	io.Reader
	closed bool
}

var errDisk = errors.New("disk on fire")

func (c *closer) Close() error { c.closed = true; return errDisk }

func TestRestoreClosesWhatItReads(t *testing.T) {
	s := busyShard(t)
	data := snapshotOf(t, s.Machine)
	joined := newReplica(shardConfig)
	from := &closer{Reader: iotest.OneByteReader(bytes.NewReader(data))}
	if err := joined.Restore(from); err != nil || !from.closed {
		t.Errorf("a snapshot read to its end and checked: %v, closed=%t", err, from.closed)
	}
	wantSame(t, joined.Machine, s.Machine)

	from = &closer{Reader: io.MultiReader(bytes.NewReader(data[:len(data)/2]), iotest.ErrReader(errDisk))}
	if err := joined.Restore(from); !errors.Is(err, fsm.ErrSnapshot) || !errors.Is(err, errDisk) || !from.closed {
		t.Errorf("a read that failed half way: %v, closed=%t; want the cause", err, from.closed)
	}
	wantSame(t, joined.Machine, s.Machine)
}

var update = flag.Bool("update", false, "write testdata/snapshot.v4 anew")

// A program that was upgraded restores what its predecessor wrote.
func TestRestoreOfKeptSnapshot(t *testing.T) {
	path := filepath.Join("testdata", "snapshot.v4")
	s := busyShard(t)
	if *update {
		if err := os.WriteFile(path, snapshotOf(t, s.Machine), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	kept := newReplica(shardConfig)
	if err := restore(kept.Machine, data); err != nil {
		t.Fatalf("%v (if no release wrote snapshots of this version, run with -update)", err)
	}
	wantSame(t, kept.Machine, s.Machine)
}
