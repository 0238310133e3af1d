package table

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// randomKey returns a key that is as random as a hash.
func randomKey(r *rand.Rand) Key { return Key{r.Uint64(), uint16(r.Uint64() & (1<<headBits - 1))} }

// world is two tables in one memory beside plain maps of what they hold.
type world struct {
	t         *testing.T
	r         *rand.Rand
	memory    *Memory
	watermark uint32
	far       int // one of so many memberships ends far ahead; 0: none
	tables    [2]*Table
	held      [2]map[Key]uint32 // drained ones included, until they are swept or replaced
	spots     [2]map[Key]Spot   // where keys were, once
	keys      []Key
	views     []*heldView
}

// heldView is an open view and what it must show.
type heldView struct {
	*View
	want [2]map[Key]uint32
	got  [2]map[Key]uint32
}

func newWorld(t *testing.T, seed uint64, keys int) *world {
	w := &world{t: t, r: rand.New(rand.NewPCG(seed, 0)), memory: NewMemory(), watermark: 1000, far: []int{0, 20, 200, 5_000}[seed/4%4]}
	for i := range w.tables {
		w.tables[i] = &Table{Owner: uint32(i + 1)}
		w.held[i] = map[Key]uint32{}
		w.spots[i] = map[Key]Spot{}
	}
	for range keys {
		w.keys = append(w.keys, randomKey(w.r))
	}
	return w
}

func (w *world) live(i int) map[Key]uint32 {
	live := maps.Clone(w.held[i])
	maps.DeleteFunc(live, func(_ Key, b uint32) bool { return b <= w.watermark })
	return live
}

func (w *world) bucket() uint32 {
	if w.far > 0 && w.r.IntN(w.far) == 0 {
		// About as far as lines of some form reach, or as any.
		reach := min(formOf(uint8(w.r.IntN(headBits+2))).reach(), Reach-2)
		if w.r.IntN(3) == 0 {
			reach = Reach - 2
		}
		return w.watermark + reach + uint32(w.r.IntN(3))
	}
	return w.watermark + 1 + uint32(w.r.IntN(100))
}

// spot finds a key, often from where it was once; as Insert may be given it, if it is in
// neither.
func (w *world) spot(i int, k Key) Spot {
	s, known := w.spots[i][k]
	_, held := w.held[i][k]
	switch {
	case !known || w.r.IntN(2) == 0:
		s = w.tables[i].Find(w.memory, k)
	case held || s.Held() || w.r.IntN(2) == 0:
		s.FindAgain(w.tables[i], w.memory, k)
	}
	w.spots[i][k] = s
	return s
}

func (w *world) write(i int) {
	t, k := w.tables[i], w.keys[w.r.IntN(len(w.keys))]
	s := w.spot(i, k)
	held := w.held[i][k]
	if b := s.Bucket(); b > w.watermark && b != held || b <= w.watermark && held > w.watermark {
		w.t.Fatalf("table %d has bucket %d for a key, want %d (watermark %d)", i, b, held, w.watermark)
	}
	b := w.bucket()
	switch {
	case s.Bucket() == 0:
		if !t.Insert(w.memory, &s, k, b, w.watermark) {
			w.t.Fatal("no place for a key")
		}
		w.held[i][k] = b
	case w.r.IntN(3) == 0:
		t.Remove(w.memory, &s)
		delete(w.held[i], k)
	default:
		if !t.Move(w.memory, &s, b, w.watermark) {
			w.t.Fatal("no place for a key that moves")
		}
		w.held[i][k] = b
	}
}

// fill adds keys that a table does not hold, some at a time: in the order of a table's
// pieces, or in none.
func (w *world) fill(i int) {
	t := w.tables[i]
	if len(t.directory) == 0 && w.r.IntN(2) == 0 {
		t.Reserve(w.memory, int64(w.r.IntN(2*len(w.keys))), 1<<w.r.IntN(12))
	}
	var members []Membership
	for _, k := range w.keys {
		if s := t.Find(w.memory, k); !s.Held() && w.r.IntN(4) > 0 {
			members = append(members, Membership{k, w.bucket()})
		}
	}
	if w.r.IntN(4) > 0 {
		slices.SortFunc(members, func(a, b Membership) int { return cmp.Compare(a.Key.first(), b.Key.first()) })
	}
	for _, x := range members {
		w.held[i][x.Key] = x.Bucket
	}
	for len(members) > 0 {
		n := 1 + w.r.IntN(min(len(members), 1+w.r.IntN(1000)))
		if !t.Fill(w.memory, members[:n], w.watermark) {
			w.t.Fatal("no place for a key")
		}
		members = members[n:]
	}
	if w.r.IntN(2) == 0 {
		t.Settled()
	}
}

// check looks at every key, and at the structure.
func (w *world) check() {
	w.t.Helper()
	for i, t := range w.tables {
		for _, k := range w.keys {
			s := t.Find(w.memory, k)
			if b := s.Bucket(); max(b, w.watermark) != max(w.held[i][k], w.watermark) {
				w.t.Fatalf("table %d has bucket %d for a key, want %d (watermark %d)", i, b, w.held[i][k], w.watermark)
			}
		}
		if err := inspect(w.memory, t); err != nil {
			w.t.Fatalf("table %d: %v", i, err)
		}
	}
}

// inspect checks the invariants of a table and of its pieces.
func inspect(m *Memory, t *Table) error {
	if len(t.directory) == 0 {
		return nil
	}
	if len(t.directory) != 1<<t.depth {
		return fmt.Errorf("a directory of %d at depth %d", len(t.directory), t.depth)
	}
	var pieces [depthMax + 1]uint32
	for i := 0; i < len(t.directory); {
		p := m.pieces.At(t.directory[i])
		if p.depth() > t.depth || p.owner != t.Owner {
			return fmt.Errorf("a piece of owner %d and depth %d", p.owner, p.depth())
		}
		if first := uint64(i) << (64 - t.depth); p.place != placeOf(first, p.depth()) || p.form != wideForm && p.form != formOf(p.depth()) {
			return fmt.Errorf("a piece of place %x and form %x at %x", p.place, p.form, first)
		}
		pieces[p.depth()]++
		count := 1 << (t.depth - p.depth())
		for j := range count {
			if i%count != 0 || t.directory[i+j] != t.directory[i] {
				return fmt.Errorf("directory entry %d is not of the piece at %d", i+j, i)
			}
		}
		used := 0
		seen := map[Key]bool{}
		for n := range p.lines() {
			l := m.line(p, n)
			for slot := range p.form.slots() {
				if l.bucket(p.form, slot) == 0 {
					continue
				}
				used++
				k := p.key(l, slot)
				first, second := linesOf(k.Lo, p.pages)
				if n != first && n != second {
					return fmt.Errorf("a key in line %d that belongs in %d or %d", n, first, second)
				}
				if t.position(k.first())&^uint64(count-1) != uint64(i) || seen[k] {
					return fmt.Errorf("a key in the wrong piece, or twice in one")
				}
				seen[k] = true
			}
		}
		full := uint64(0)
		for n := range p.lines() {
			if m.line(p, n).free(p.form) == 0 {
				full |= 1 << n
			}
		}
		if full != p.full {
			return fmt.Errorf("lines %b are full, not %b", full, p.full)
		}
		if used != int(p.used) {
			return fmt.Errorf("%d slots are used, not %d", used, p.used)
		}
		i += count
	}
	if pieces != t.pieces {
		return fmt.Errorf("%v pieces by depth, not %v", pieces, t.pieces)
	}
	return nil
}

func (w *world) sweep(i int) {
	for from := uint64(0); ; {
		if from, _ = w.tables[i].Sweep(w.memory, from, w.watermark); from == 0 {
			break
		}
	}
	w.held[i] = w.live(i)
	for _, k := range w.keys {
		if s := w.tables[i].Find(w.memory, k); s.Bucket() != w.held[i][k] {
			w.t.Fatalf("a swept table has bucket %d for a key, want %d", s.Bucket(), w.held[i][k])
		}
	}
}

func (w *world) open() {
	v := &heldView{}
	var owners map[uint32]bool
	if w.r.IntN(2) == 0 {
		owners = map[uint32]bool{1: true}
	}
	for i := range w.tables {
		v.got[i], v.want[i] = map[Key]uint32{}, map[Key]uint32{}
		if owners == nil || i == 0 {
			v.want[i] = w.live(i)
		}
	}
	v.View = w.memory.Open(owners, 0)
	w.views = append(w.views, v)
}

// read reads a little of a view, and all of it when it is about to be closed.
func (w *world) read(v *heldView, all bool) {
	for {
		more := v.Read(1+w.r.IntN(300), func(owner uint32, members []Membership) {
			for _, x := range members {
				if v.got[owner-1][x.Key] != 0 {
					w.t.Fatal("a view shows a key twice")
				}
				v.got[owner-1][x.Key] = x.Bucket
			}
		})
		if !all || !more {
			return
		}
	}
}

func (w *world) close(n int) {
	v := w.views[n]
	w.read(v, true)
	v.Close()
	for i := range w.tables {
		if v.owners != nil && i > 0 {
			continue
		}
		for k, b := range v.want[i] {
			if v.got[i][k] != b {
				w.t.Fatalf("a view shows bucket %d for a key that had %d", v.got[i][k], b)
			}
			delete(v.got[i], k)
		}
		for k, b := range v.got[i] {
			if b > w.watermark { // what was drained already may show
				w.t.Fatalf("a view shows bucket %d for key %v that was not there", b, k)
			}
		}
	}
	w.views = append(w.views[:n], w.views[n+1:]...)
}

// run does whatever may happen, in any order, and compares everything.
func (w *world) run() {
	for i := range w.tables {
		if w.r.IntN(2) == 0 {
			w.fill(i)
		}
	}
	for range 60 {
		for range w.r.IntN(len(w.keys)) {
			w.write(w.r.IntN(2))
		}
		switch w.r.IntN(8) {
		case 0:
			w.watermark += uint32(w.r.IntN(120))
		case 1:
			w.sweep(w.r.IntN(2))
		case 2, 3:
			w.open()
		case 4:
			if len(w.views) > 0 {
				w.close(w.r.IntN(len(w.views)))
			}
		case 5:
			if w.r.IntN(2) == 0 {
				w.fill(w.r.IntN(2))
				break
			}
			w.watermark += uint32(w.r.IntN(2)) * Reach
		default:
			for _, v := range w.views {
				w.read(v, false)
			}
		}
		w.check()
	}
	for len(w.views) > 0 {
		w.close(0)
	}
}

func TestTablesBehaveLikeMaps(t *testing.T) {
	for seed := range uint64(16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			newWorld(t, seed, []int{3, 100, 3_000, 20_000}[seed%4]).run()
		})
	}
}

func BenchmarkInsert(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 0))
	m := NewMemory()
	tb := &Table{Owner: 1}
	for b.Loop() {
		tb.Insert(m, new(Spot), randomKey(r), 5, 1)
	}
	b.ReportMetric(float64(m.Bytes()+tb.Bytes())/float64(b.N), "B/key")
}
