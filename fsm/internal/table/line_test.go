package table

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// Lines of every form hold what was put into each of their slots, and nothing that is
// put into one changes another.
func TestLinesBehaveLikeSlots(t *testing.T) {
	type slot struct {
		key    Key
		bucket uint32
	}
	for depth := range uint8(headBits + 3) {
		for _, form := range []form{formOf(depth), wideForm} {
			t.Run(fmt.Sprintf("depth %d, form %x", depth, form), func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(depth), uint64(form)))
				prefix := r.Uint64()
				p, l := &piece{place: placeOf(prefix, depth), form: form}, &line{}
				if p.depth() != depth {
					t.Fatalf("a piece of depth %d", p.depth())
				}
				shared := uint64(1)<<(64-depth) - 1
				var want [denseSlots]slot
				for range 1000 {
					i := r.IntN(form.slots())
					first := prefix&^shared | r.Uint64()&shared
					k := Key{first<<headBits | r.Uint64()&(1<<headBits-1), uint16(first >> (64 - headBits))}
					if k.first() != first {
						t.Fatalf("%v begins with %x, not %x", k, k.first(), first)
					}
					b := 1 + uint32(r.Uint64N(uint64(form.reach())))
					switch r.IntN(4) {
					case 0:
						l.clear(form, i)
						want[i] = slot{}
					case 1:
						if want[i].bucket != 0 {
							l.setBucket(form, i, b)
							want[i].bucket = b
						}
					default:
						p.put(l, i, k, b)
						want[i] = slot{k, b}
					}
					drained := uint32(r.Uint64N(uint64(form.reach()))) >> r.IntN(20)
					vacant := l.vacant(form, drained)
					for i, w := range want[:form.slots()] {
						if got := l.bucket(form, i); got != w.bucket {
							t.Fatalf("slot %d has bucket %d, want %d", i, got, w.bucket)
						}
						if vacant>>i&1 != 0 != (w.bucket <= drained) {
							t.Fatalf("slot %d with bucket %d is vacant below %d: %b", i, w.bucket, drained, vacant)
						}
						if w.bucket != 0 && (p.key(l, i) != w.key || p.findIn(l, w.key) != i) {
							t.Fatalf("slot %d has %v, want %v", i, p.key(l, i), w.key)
						}
					}
					if bits.OnesCount(vacant) > form.slots() || l.free(form) != l.vacant(form, 0) {
						t.Fatalf("vacant: %b", vacant)
					}
					if p.findIn(l, Key{k.Lo ^ 1, k.Hi}) >= 0 {
						t.Fatal("a key that is not there is found")
					}
				}
			})
		}
	}
}
