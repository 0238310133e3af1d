package pgsink

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// asDatabase does to a table what the statements of a flush do.
func (f folded) asDatabase(table memberships) {
	for _, r := range f.inOrder() {
		for i, id := range r.ids {
			row := Row{Op: r.op, ID: id}
			if r.op != OpErase {
				row.Segment = r.segments[i]
			}
			if r.op == OpPut {
				row.Expiry = r.expiries[i]
			}
			table.apply([]Row{row})
		}
	}
}

func TestFoldedBatchEqualsItsRows(t *testing.T) {
	draw := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		one, other := memberships{}, memberships{}
		before := randomRows(draw, draw.IntN(40))
		one.apply(before)
		other.apply(before)

		batch := randomRows(draw, 1+draw.IntN(60))
		original := slices.Clone(batch)
		f, err := fold(batch)
		if err != nil {
			t.Fatal(err)
		}
		one.apply(batch)
		f.asDatabase(other)
		requireEqual(t, other, one)
		if !slices.Equal(batch, original) {
			t.Fatal("fold changed its input: the outbox may still hold it")
		}
		requireKeysOnce(t, f)
	}
}

func requireKeysOnce(t *testing.T, f folded) {
	t.Helper()
	for _, r := range []rows{f.erases, f.deletes, f.puts} {
		keys := make([]membership, r.len())
		for i := range keys {
			keys[i].id = r.ids[i]
			if r.op != OpErase {
				keys[i].segment = r.segments[i]
			}
		}
		set := memberships{}
		for _, key := range keys {
			set[key] = 0
		}
		if !slices.Equal(keys, sortedKeys(set)) {
			t.Fatalf("%s: keys not sorted, or not once each: %v", r.op, keys)
		}
	}
}

// IDs of which one begins another, or that differ in their ends only, sort like others.
func TestFoldSortsByWholeIDs(t *testing.T) {
	draw := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		batch := make([]Row, 1+draw.IntN(40))
		for i := range batch {
			id := strings.Repeat("x", draw.IntN(3)) + strings.Repeat("\x00", draw.IntN(3)) + strings.Repeat("ab", draw.IntN(9))
			batch[i] = put(id+strings.Repeat("\x00", draw.IntN(2)), "s", 1)
		}
		f, err := fold(batch)
		if err != nil {
			t.Fatal(err)
		}
		requireKeysOnce(t, f)
	}
}

func BenchmarkFold(b *testing.B) {
	draw := rand.New(rand.NewPCG(5, 6))
	batch := make([]Row, 10_000)
	for i := range batch {
		batch[i] = put(fmt.Sprintf("user-%012d", draw.IntN(1e9)), fmt.Sprintf("segment-%03d", draw.IntN(300)), int64(i))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := fold(batch); err != nil {
			b.Fatal(err)
		}
	}
}

func TestFoldCases(t *testing.T) {
	for name, c := range map[string]struct {
		batch []Row
		want  folded
	}{
		"later expiry wins, whichever comes first": {
			batch: []Row{put("u", "s", 20), put("u", "s", 30), put("u", "s", 10)},
			want:  folded{puts: rows{ids: []string{"u"}, segments: []string{"s"}, expiries: []int64{30}}},
		},
		"delete drops the put before it": {
			batch: []Row{put("u", "s", 20), end("u", "s")},
			want:  folded{deletes: rows{ids: []string{"u"}, segments: []string{"s"}}},
		},
		"put after delete replaces": {
			batch: []Row{put("u", "s", 20), end("u", "s"), put("u", "s", 5)},
			want: folded{
				deletes: rows{ids: []string{"u"}, segments: []string{"s"}},
				puts:    rows{ids: []string{"u"}, segments: []string{"s"}, expiries: []int64{5}},
			},
		},
		"erase drops everything of its ID, and of no other": {
			batch: []Row{put("u", "s", 1), end("u", "r"), put("v", "s", 2), erase("u"), put("u", "q", 3)},
			want: folded{
				erases: rows{ids: []string{"u"}},
				puts:   rows{ids: []string{"u", "v"}, segments: []string{"q", "s"}, expiries: []int64{3, 2}},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := fold(c.batch)
			if err != nil {
				t.Fatal(err)
			}
			for _, pair := range [][2]rows{{got.erases, c.want.erases}, {got.deletes, c.want.deletes}, {got.puts, c.want.puts}} {
				if !slices.Equal(pair[0].ids, pair[1].ids) || !slices.Equal(pair[0].segments, pair[1].segments) || !slices.Equal(pair[0].expiries, pair[1].expiries) {
					t.Errorf("%s: got %+v, want %+v", pair[0].op, pair[0], pair[1])
				}
			}
		})
	}
}

func TestUnknownOpIsNotSkipped(t *testing.T) {
	if _, err := fold([]Row{{Op: 9, ID: "u"}}); err == nil {
		t.Fatal("a row with an unknown op was dropped in silence")
	}
}
