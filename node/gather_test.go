package node

import (
	"testing"
	"time"
)

// waits reports whether the next one waits for company; it ends as told.
func waits(g *gather, company bool) bool {
	g.settled(2, 0, time.Hour)
	waited := g.wait(1) > 0
	if company {
		g.wait(2)
	} else {
		g.until = time.Now()
		g.wait(1)
	}
	return waited
}

func count(g *gather, times int, company bool) (waited int) {
	for range times {
		if waits(g, company) {
			waited++
		}
	}
	return waited
}

func TestAGatherWaitsWhileThatPays(t *testing.T) {
	var g gather
	if n := count(&g, 1000, true); n != 1000 {
		t.Errorf("it waited %d times of 1000 while company came", n)
	}
	if n := count(&g, 1000, false); n < 1000/doubtOnce || n > 1000/doubtOnce+doubtMax {
		t.Errorf("it waited %d times of 1000 while nobody came, want about one in %d", n, doubtOnce)
	}
	if n := count(&g, doubtMax*doubtOnce, true); n < doubtMax {
		t.Errorf("it waited %d times of %d after company came again", n, doubtMax*doubtOnce)
	}
	if !waits(&g, true) {
		t.Error("it does not wait, though company has come for long")
	}
}

func TestAGatherThatIsAloneNeverWaits(t *testing.T) {
	var g gather
	if g.wait(1) != 0 {
		t.Error("the first of all waits")
	}
	g.settled(1, 0, time.Hour)
	if g.wait(1) != 0 {
		t.Error("one was answered, one is there, and it waits")
	}
	g.settled(2, 0, time.Hour)
	if wait := g.wait(1); wait <= 0 || wait > gatherMax {
		t.Errorf("it waits for %v, want at most %v", wait, gatherMax)
	}
}
