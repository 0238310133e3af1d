package main

// walk goes over the memberships 0 to n-1 in a random order, again and again in
// another one. Whoever renews along it renews each once in a round, and so always to
// a later expiry.
type walk struct {
	n     int
	seed  uint64
	round int // from 1
	at    int // within the round
	order shuffle
}

func newWalk(n int, seed uint64) *walk {
	w := &walk{n: n, seed: seed}
	w.turn()
	return w
}

// turn begins the next round.
func (w *walk) turn() {
	w.round++
	w.at = 0
	w.order = newShuffle(w.n, mix(w.seed+uint64(w.round)))
}

// next returns a membership, and which round this is.
func (w *walk) next() (i, round int) {
	if w.at == w.n {
		w.turn()
	}
	i = w.order.at(w.at)
	w.at++
	return i, w.round
}
