package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
)

func born(t *testing.T, ids ...string) *Machine {
	t.Helper()
	m := NewMachine()
	b := &Begin{Birth: Birth{Incarnation: strings.Repeat("ab", 16), HashKey: make([]byte, 16), Shards: 4, BucketSeconds: 60, At: 1}}
	for _, id := range ids {
		b.Nodes = append(b.Nodes, Node{ID: id, Instance: "of " + id, Peer: id + ":1", State: Joining})
	}
	if err := apply(m, Command{BeginLife: b}); err != nil {
		t.Fatal(err)
	}
	return m
}

func apply(m *Machine, c Command) error {
	err, _ := m.Apply(&raft.Log{Index: 1, Data: c.Encode()}).(error)
	return err
}

func TestANodeIDStandsForOneDataDirectory(t *testing.T) {
	m := born(t, "n1", "n2", "n3")
	for _, c := range []struct {
		name    string
		command Command
		refusal string // "": carried out
	}{
		{"second birth", Command{BeginLife: &Begin{}}, "born already"},
		{"new node", Command{AddNode: &Node{ID: "n4", Instance: "x", Peer: "n4:1"}}, ""},
		{"the same again", Command{AddNode: &Node{ID: "n4", Instance: "x", Peer: "n4:1"}}, "known already"},
		{"its ID with another disk", Command{AddNode: &Node{ID: "n4", Instance: "y", Peer: "n4:1"}}, "another data directory"},
		{"another's address", Command{AddNode: &Node{ID: "n5", Instance: "z", Peer: "n1:1"}}, "is node n1's"},
		{"address changed", Command{UpdateNode: &Node{ID: "n4", Instance: "x", Peer: "n4:2"}}, ""},
		{"address of another disk changed", Command{UpdateNode: &Node{ID: "n4", Instance: "y", Peer: "n4:3"}}, "not known"},
		{"caught up", Command{MarkMember: "n4"}, ""},
		{"removed without leaving", Command{RemoveNode: "n4"}, "not leaving"},
		{"unknown leaves", Command{MarkLeaving: "n9"}, "not known"},
		{"leaves", Command{MarkLeaving: "n4"}, ""},
		{"joins while leaving", Command{AddNode: &Node{ID: "n4", Instance: "x", Peer: "n4:2"}}, "is leaving"},
		{"member while leaving", Command{MarkMember: "n4"}, "is leaving"},
		{"has left", Command{RemoveNode: "n4"}, ""},
		{"comes back with a new disk", Command{AddNode: &Node{ID: "n4", Instance: "y", Peer: "n4:1"}}, ""},
		{"nothing", Command{}, "empty command"},
	} {
		before := m.State()
		err := apply(m, c.command)
		var refusal *Refusal
		switch {
		case c.refusal == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.refusal == "" && m.State().Revision != before.Revision+1:
			t.Errorf("%s: revision %d after %d", c.name, m.State().Revision, before.Revision)
		case c.refusal != "" && (!errors.As(err, &refusal) || !strings.Contains(refusal.Reason, c.refusal)):
			t.Errorf("%s: %v, not a refusal with %q", c.name, err, c.refusal)
		case c.refusal != "" && m.State() != before:
			t.Errorf("%s: refused, but the state changed", c.name)
		}
	}
	for _, id := range []string{"n1", "n2", "n4"} {
		if err := apply(m, Command{MarkLeaving: id}); err != nil {
			t.Fatal(err)
		}
	}
	if err := apply(m, Command{MarkLeaving: "n3"}); err == nil {
		t.Error("the last node was let go")
	}
}

func TestPlacementIsEvenAndLeavesOutWhoLeaves(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		nodes := make(map[string]Node)
		var holders []string
		for i := range 1 + random.IntN(7) {
			id := fmt.Sprintf("n%d", i)
			state := []NodeState{Joining, Member, Leaving}[random.IntN(3)]
			nodes[id] = Node{ID: id, State: state}
			if state != Leaving {
				holders = append(holders, id)
			}
		}
		shards := 1 + random.IntN(16)
		placement := Place(nodes, shards)
		leads := make(map[string]int)
		for _, held := range placement {
			if sorted := slices.Sorted(slices.Values(held)); !slices.Equal(sorted, holders) {
				t.Fatalf("held by %v, not %v", sorted, holders)
			}
			if len(held) > 0 {
				leads[held[0]]++
			}
		}
		for _, id := range holders {
			if n, fair := leads[id], shards/len(holders); n < fair || n > fair+1 {
				t.Fatalf("%s leads %d of %d shards among %d nodes", id, n, shards, len(holders))
			}
		}
		if !reflect.DeepEqual(placement, Place(nodes, shards)) {
			t.Fatal("the same nodes, another placement")
		}
	}
}

func TestSnapshotRestoresTheDocument(t *testing.T) {
	m := born(t, "n1", "n2", "n3")
	if err := apply(m, Command{MarkLeaving: "n2"}); err != nil {
		t.Fatal(err)
	}
	s, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	sink := &memorySink{}
	if err := s.Persist(sink); err != nil {
		t.Fatal(err)
	}
	restored := NewMachine()
	changed := restored.Changed()
	if err := restored.Restore(io.NopCloser(&sink.Buffer)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(restored.State(), m.State()) {
		t.Errorf("restored %+v, not %+v", restored.State(), m.State())
	}
	select {
	case <-changed:
	default:
		t.Error("nobody was told of the change")
	}
	if err := restored.Restore(io.NopCloser(strings.NewReader(`{"revision":1,"future":true}`))); err == nil {
		t.Error("a document of a newer version was taken")
	}
}

type memorySink struct{ bytes.Buffer }

func (*memorySink) ID() string    { return "memory" }
func (*memorySink) Cancel() error { return nil }
func (*memorySink) Close() error  { return nil }

func FuzzDecodeCommand(f *testing.F) {
	f.Add(Command{MarkLeaving: "n1"}.Encode())
	f.Add(Command{AddNode: &Node{ID: "n4"}}.Encode())
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeCommand(data)
		if err != nil {
			return
		}
		again, err := decodeCommand(c.Encode())
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("%+v became %+v, %v", c, again, err)
		}
	})
}
