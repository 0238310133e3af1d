package fsm_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// How many sequences of steps to try, and the seed of the first. Sequence i has
// seed first+i, so that HEADCOUNT_FSM_SEED=<seed> HEADCOUNT_FSM_SEQUENCES=1 runs
// one that failed again.
func sequences(t *testing.T) (first uint64, count int) {
	first, count = 1, 2000
	switch {
	case raceDetector:
		count = 300
	case testing.Short():
		count = 500
	}
	if s := os.Getenv("HEADCOUNT_FSM_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("HEADCOUNT_FSM_SEED: %v", err)
		}
		first = n
	}
	if s := os.Getenv("HEADCOUNT_FSM_SEQUENCES"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("HEADCOUNT_FSM_SEQUENCES: %v", err)
		}
		count = n
	}
	return first, count
}

func TestMachineBehavesLikeModel(t *testing.T) {
	const stepsEach = 60
	first, count := sequences(t)
	tally := map[string]int{}
	for seed := first; seed < first+uint64(count); seed++ {
		tr := newTrial(t, randomDraws{rand.New(rand.NewPCG(seed, 0))})
		tr.note("HEADCOUNT_FSM_SEED=%d", seed)
		tr.stepSettings()
		for range stepsEach {
			tr.step()
		}
		tr.finish()
		for what, n := range tr.tally {
			tally[what] += n
		}
	}
	if count < 100 {
		return // too few to meet everything
	}
	for _, what := range []string{
		"verdict 1", "verdict 2", "verdict 3", "verdict 4",
		"status 1", "status 2", "status 3", "status 4", "status 5", "status 6", "status 7", "status 8", "status 9",
		"the leader catches up", "the follower catches up", "a new replica catches up",
		"counts at a later instant", "a forecast that falls", "an overlap", "a history with counts",
		"a read ahead beside a snapshot", "a read ahead of a follower that lags",
		"spooled",
	} {
		if tally[what] < count/10 {
			t.Errorf("%s: only %d times in %d sequences", what, tally[what], count)
		}
	}
}
