package node

import "time"

// gatherMax bounds how long something that could leave waits for company.
const gatherMax = 5 * time.Millisecond

// gather says how long what waits should wait for more before it goes on together.
//
// Everything that goes on, a batch to the leader or an entry into the log, costs the
// same whatever its size: three writes to disk, a dozen wake-ups of goroutines in
// other processes. When it is done, those who waited for it are answered, and most of
// them send their next write at once. If the next batch left at the same moment, it
// would carry only what came meanwhile, and those just answered would miss it: under
// a steady load two groups of writers would take turns for ever, each in batches half
// as large as could be. So the next one waits until as many are there as were
// answered and were waiting together, or for half of the time that the last one took.
//
// Whoever is alone never waits: one was answered, one is there. And whoever expected
// more than came expects less the next time.
type gather struct {
	want  int // how many are expected
	until time.Time
}

// settled begins to gather: done were answered after took, and others wait already.
func (g *gather) settled(done, waiting int, took time.Duration) {
	g.want, g.until = done+waiting, time.Now().Add(min(took/2, gatherMax))
}

// wait says for how long n should go on waiting; 0: not at all.
func (g *gather) wait(n int) time.Duration {
	if n >= g.want {
		return 0
	}
	return max(time.Until(g.until), 0)
}
