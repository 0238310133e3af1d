package table

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// stillOf is a table held still beside what it must show.
type stillOf struct {
	*Still
	want map[Key]uint32
}

// Tables that are held still show by key, and in the order of the keys, what was in
// them, whatever is written, swept, dropped or closed meanwhile.
func TestTablesHeldStill(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			keys := []int{3, 300, 5_000}[seed%3]
			w := newWorld(t, seed, keys)
			w.memory.epoch = math.MaxUint16 - uint16(seed)
			var stills [][2]stillOf
			check := func(n int) {
				t.Helper()
				for _, s := range stills[n] {
					s.check(w)
				}
			}
			for range 40 {
				for range w.r.IntN(keys) {
					w.write(w.r.IntN(2))
				}
				switch w.r.IntN(6) {
				case 0:
					w.watermark += uint32(w.r.IntN(60))
				case 1:
					w.sweep(w.r.IntN(2))
				case 2, 3:
					v := w.memory.Open(map[uint32]bool{1: true, 2: true}, 0)
					var held [2]stillOf
					for i, tb := range w.tables {
						held[i] = stillOf{v.Still(tb), w.live(i)}
						for k, b := range w.held[i] {
							held[i].want[k] = b
						}
					}
					stills = append(stills, held)
				case 4:
					if n := len(stills); n > 0 {
						i := w.r.IntN(n)
						check(i)
						stills[i][0].view.Close()
						stills = append(stills[:i], stills[i+1:]...)
					}
				default:
					w.drop(w.r.IntN(2))
				}
				for n := range stills {
					check(n)
				}
				w.check()
			}
			for n := range stills {
				check(n)
				stills[n][0].view.Close()
			}
			if w.memory.Viewed() {
				t.Error("a view is left")
			}
		})
	}
}

// drop frees a table and begins another of the same owner.
func (w *world) drop(i int) {
	for from, done := uint64(0), false; !done; done = from == 0 {
		from, _ = w.tables[i].Drop(w.memory, from)
	}
	w.tables[i] = &Table{Owner: w.tables[i].Owner}
	w.held[i] = map[Key]uint32{}
}

func (s *stillOf) check(w *world) {
	w.t.Helper()
	for _, k := range w.keys {
		// What was drained before may have been overwritten before, and show or not.
		if b := s.Find(k); b != s.want[k] && max(b, s.want[k]) > w.watermark {
			w.t.Fatalf("held still, a key ends in %d, want %d (watermark %d)", b, s.want[k], w.watermark)
		}
	}
	seen := map[Key]uint32{}
	for from, done, last := uint64(0), false, uint64(0); !done; done = from == 0 {
		var members []Membership
		begin := from
		members, from = s.Piece(from, nil)
		for _, x := range members {
			if _, twice := seen[x.Key]; twice || x.Key.first() < begin || from != 0 && x.Key.first() >= from {
				w.t.Fatalf("key %v in the piece [%x, %x), twice: %t", x.Key, begin, from, twice)
			}
			seen[x.Key] = x.Bucket
		}
		if from != 0 && from <= last {
			w.t.Fatal("pieces are not in the order of the keys")
		}
		last = from
	}
	for _, k := range w.keys {
		if b := seen[k]; b != s.want[k] && max(b, s.want[k]) > w.watermark {
			w.t.Fatalf("among the pieces held still, a key ends in %d, want %d", b, s.want[k])
		}
	}
}

// After 2¹⁶ views, the epochs begin anew under those that are open.
func TestViewsWhenEpochsBeginAnew(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, seed, []int{100, 5_000}[seed%2])
			w.memory.epoch = math.MaxUint16 - 1 - uint16(seed)
			w.run()
			if w.memory.epoch > 1000 {
				t.Errorf("the epoch is %d", w.memory.epoch)
			}
		})
	}
}

// A view that would need more copies than it may have is lost, and others are not.
func TestViewBeyondItsBoundIsLost(t *testing.T) {
	m, tb := NewMemory(), &Table{Owner: 1}
	r := rand.New(rand.NewPCG(1, 0))
	var keys []Key
	for range 5_000 {
		keys = append(keys, randomKey(r))
		tb.Insert(m, new(Spot), keys[len(keys)-1], 5, 1)
	}
	small, large := m.Open(nil, 10_000), m.Open(nil, 0)
	other := m.Open(map[uint32]bool{2: true}, 1)
	for _, k := range keys {
		s := tb.Find(m, k)
		tb.Move(m, &s, 9, 1)
	}
	if !small.Lost() || large.Lost() || other.Lost() {
		t.Errorf("lost: %t, want true; %t and %t, want false", small.Lost(), large.Lost(), other.Lost())
	}
	small.Close()
	shown := 0
	for large.Read(100, func(_ uint32, members []Membership) {
		for _, x := range members {
			if shown++; x.Bucket != 5 {
				t.Fatalf("bucket %d is shown, want 5", x.Bucket)
			}
		}
	}) {
	}
	if shown != len(keys) {
		t.Errorf("%d memberships are shown, want %d", shown, len(keys))
	}
	other.Close()
	large.Close()
	large.Close()
}

// A read passes over only so many pieces that show nothing.
func TestReadEndsAmongPiecesThatShowNothing(t *testing.T) {
	m, tb := NewMemory(), &Table{Owner: 1}
	made := tb.Reserve(m, 1<<20, 1<<12)
	v := m.Open(nil, 0)
	defer v.Close()
	reads := 1
	for v.Read(100, func(uint32, []Membership) { t.Error("an empty piece is shown") }) {
		reads++
	}
	if reads < made/100 {
		t.Errorf("%d pieces were passed over in %d reads", made, reads)
	}
}
