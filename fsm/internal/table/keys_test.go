package table

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// Keys that agree in the bits that choose their lines: lines are full while their
// piece is nearly empty, pieces split before they have grown, and what two pieces hold
// may have no place in one.
func TestTablesOfKeysWithFewLines(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, seed, []int{200, 1_000, 4_000}[seed%3])
			lines := make([]uint64, []int{4, 12, 60, 300}[seed%4])
			for i := range lines {
				lines[i] = w.r.Uint64() & math.MaxUint32
			}
			for i := range w.keys {
				w.keys[i].Lo = w.keys[i].Lo&^math.MaxUint32 | lines[w.r.IntN(len(lines))]
			}
			w.run()
		})
	}
}

// Keys that differ in their high bits alone are told apart.
func TestKeysAreComparedWhole(t *testing.T) {
	m, tb := NewMemory(), &Table{Owner: 1}
	keys := []Key{{7, 0}, {7, 1}, {7, 1 << 6}, {7, 1<<9 - 1}, {7 | 1<<63, 0}, {0, 0}, {math.MaxUint64, 1<<9 - 1}}
	for i, k := range keys {
		if s := tb.Find(m, k); s.Held() {
			t.Fatalf("%v is found before it was inserted", k)
		}
		tb.Insert(m, new(Spot), k, uint32(i+1), 0)
	}
	for i, k := range keys {
		if s := tb.Find(m, k); s.Bucket() != uint32(i+1) {
			t.Errorf("%v ends in %d, want %d", k, s.Bucket(), i+1)
		}
	}
}

// Ten memberships have two lines; more go to other pieces, by bits that differ.
func TestSweepLeavesApartWhatHasNoPlaceTogether(t *testing.T) {
	m, tb := NewMemory(), &Table{Owner: 1}
	var keys []Key
	for i := range uint64(20) {
		keys = append(keys, Key{i%2<<63 | i<<40, 0})
	}
	for _, k := range keys {
		if !tb.Insert(m, new(Spot), k, 5, 1) {
			t.Fatal("no place for a key")
		}
	}
	for range 2 {
		for from, done := uint64(0), false; !done; done = from == 0 {
			from, _ = tb.Sweep(m, from, 1)
		}
		for _, k := range keys {
			if s := tb.Find(m, k); s.Bucket() != 5 {
				t.Fatalf("%v ends in %d", k, s.Bucket())
			}
		}
		if err := inspect(m, tb); err != nil {
			t.Fatal(err)
		}
	}
}

// Keys may be made that fill two pages and have no place in any more of them. Whoever
// makes such is refused.
func TestKeysThatAreNoHashesAreRefused(t *testing.T) {
	var byPage [2]uint64 // a byte that stands for this page of two, and for the last of three, from then on
	for page := range byPage {
		for v := range uint64(256) {
			good := shares[2][v] == uint8(page)
			for pages := 3; pages <= pagesMax; pages++ {
				good = good && shares[pages][v] == 2
			}
			if good {
				byPage[page] = v
			}
		}
	}
	if byPage[0] == byPage[1] {
		t.Fatal("no keys are crowded on one page of several: choose others for how pages are shared now")
	}
	m, tb := NewMemory(), &Table{Owner: 1}
	key := func(page, pair, i int) Key {
		a, b := uint64(pair*2), uint64(pair*2+1) // lines of the page
		v := byPage[page]
		lineByte := func(line uint64) uint64 { return (line*256 + pageLines - 1) / pageLines }
		return Key{v | lineByte(a)<<8 | v<<16 | lineByte(b)<<24, uint16(i)}
	}
	for pair := range pageLines / 2 {
		for page := range 2 {
			for i := range 2 * denseSlots {
				if !tb.Insert(m, new(Spot), key(page, pair, i), 5, 1) {
					t.Fatal("no place in two pages")
				}
			}
		}
	}
	if tb.Insert(m, new(Spot), key(0, 0, 2*denseSlots), 5, 1) {
		t.Error("one more key has found a place")
	}
}

// Finding in steps ends where finding at once does, in every table.
func TestFindingInSteps(t *testing.T) {
	m, tb := NewMemory(), &Table{Owner: 1}
	inSteps := func(k Key) (s Spot) {
		tb.Prefetch(k)
		s.Piece(tb, m, k)
		s.Lines(m, k)
		s.Find(k)
		s.Room(m)
		return s
	}
	check := func(what string, k Key, held bool) {
		t.Helper()
		if s := inSteps(k); s != tb.Find(m, k) || s.Held() != held {
			t.Errorf("%s: in steps %+v, at once %+v, want held %v", what, s, tb.Find(m, k), held)
		}
	}
	k := Key{1, 1}
	check("empty table", k, false)
	tb.Insert(m, new(Spot), k, 5, 1)
	check("held", k, true)
	check("not held", Key{1, 2}, false)
	tb.Reserve(m, 1000, 8)
	check("piece without pages", k, false)
}

// What Room finds is the line that an insertion then takes, if both of the key's are full.
func TestRoomIsTheLineThatIsTaken(t *testing.T) {
	m, tb, random := NewMemory(), &Table{Owner: 1}, rand.New(rand.NewPCG(1, 1))
	found, none := 0, 0
	for range 200_000 {
		k := Key{random.Uint64(), uint16(random.IntN(1 << headBits))}
		s := tb.Find(m, k)
		number, some := s.room()
		one := some && s.piece.full>>number&1 == 0
		if some && !one {
			none++
		}
		var room *line
		var before line
		if one {
			room = m.line(s.piece, number)
			before = *room
		}
		if !tb.Insert(m, &s, k, 5, 1) {
			t.Fatal("no place")
		}
		if one {
			found++
			if *room == before {
				t.Fatalf("the room that was found for %v was not taken", k)
			}
		}
	}
	if found < 1000 || none < 10 {
		t.Errorf("room was found %d times, and a line to look for it in %d times", found, none)
	}
}

// A sweep leaves a piece the pages that growing has just given it, or it would grow again
// after a few insertions.
func TestSweepLeavesWhatGrowingGave(t *testing.T) {
	m, tb, r := NewMemory(), &Table{Owner: 1}, rand.New(rand.NewPCG(1, 1))
	var held []Key
	pages := func() int { return int(m.pieces.At(tb.directory[0]).pages) }
	for had := 0; had < pagesMax; had = pages() {
		k := randomKey(r)
		held = append(held, k)
		if !tb.Insert(m, new(Spot), k, 5, 1) {
			t.Fatal("no place")
		}
		grew := pages()
		if had == 0 || grew == had {
			continue
		}
		for _, k := range held[:len(held)/12] {
			s := tb.Find(m, k)
			tb.Remove(m, &s)
		}
		held = held[len(held)/12:]
		if tb.Sweep(m, 0, 1); pages() != grew {
			t.Errorf("%d memberships have %d pages after a sweep, %d before it", len(held), pages(), grew)
		}
	}
}
