package node

import "time"

// gatherMax bounds how long something that could leave waits for company.
const gatherMax = 5 * time.Millisecond

// How a gather learns whether waiting pays.
const (
	doubtMax  = 16
	doubtFew  = doubtMax / 2 // with so much of it or less, it waits
	doubtOnce = 16           // with more, it waits once in so many times, to see
)

// gather says how long what waits should wait for more before it goes on together.
//
// Everything that goes on, a batch to the leader or an entry into the log, costs the
// same whatever its size: three writes to disk, a dozen wake-ups of goroutines in
// other processes. When it is done, those who waited for it are answered, and most of
// them may send their next write at once. If the next batch left at the same moment, it
// would carry only what came meanwhile, and those just answered would miss it: under
// a steady load two groups of writers would take turns for ever, each in batches half
// as large as could be. So the next one waits until as many are there as were
// answered and were waiting together, or for half of the time that the last one took.
//
// Writers who do not wait for each other, as many clients with a request now and then
// are, do not come back: waiting for them is for nothing, and costs each write half a
// round. So a gather keeps count of how its waits end. Where more of them end by time
// than by company it stops waiting, and looks once in a while whether that has changed.
//
// Whoever is alone never waits: one was answered, one is there. And whoever expected
// more than came expects less the next time.
type gather struct {
	want    int // how many are expected
	until   time.Time
	waiting bool // nothing has gone on since it was settled

	doubt   int // waits that ended by time, less those that ended by company: 0 to doubtMax
	skipped int // times in a row that it did not wait
}

// settled begins to gather: done were answered after took, and others wait already.
func (g *gather) settled(done, waiting int, took time.Duration) {
	if g.doubt > doubtFew && g.skipped < doubtOnce-1 {
		g.skipped++
		g.want, g.waiting = 0, false
		return
	}
	g.skipped = 0
	g.want, g.until, g.waiting = done+waiting, time.Now().Add(min(took/2, gatherMax)), true
}

// wait says for how long n, one at least, should go on waiting; 0: not at all.
func (g *gather) wait(n int) time.Duration {
	if n >= g.want {
		g.ended(-1)
		return 0
	}
	left := max(time.Until(g.until), 0)
	if left == 0 {
		g.ended(+1)
	}
	return left
}

// ended learns from the end of a wait.
func (g *gather) ended(doubt int) {
	if g.waiting {
		g.waiting = false
		g.doubt = min(max(g.doubt+doubt, 0), doubtMax)
	}
}
