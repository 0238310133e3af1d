package systemtest

import (
	"strings"
	"testing"
	"time"
)

// shortLoad is enough to meet every operation and fault of the mix.
func shortLoad() loadOptions {
	return loadOptions{writers: 8, writes: 6000, perSecond: 20_000, bucketSeconds: 60, seed: 1}
}

func TestHarnessModelIsTheTruthDespiteFaults(t *testing.T) {
	y, urls := startToy(t, 10)
	result := startLoad(t, urls, shortLoad()).finish()
	y.late.Wait()
	if result.unknowns == 0 || result.repeats == 0 {
		t.Fatalf("the toy's faults were not met: %d unknown, %d not applied", result.unknowns, result.repeats)
	}
	if result.mismatches > 0 {
		t.Errorf("%d odd statuses: %s", result.mismatches, result.firstOdd)
	}
	y.mu.Lock()
	err := sameMap(y.mu.held, result.model)
	y.mu.Unlock()
	if err != nil {
		t.Error(err)
	}
	face := &node{id: "toy", base: urls[1]}
	if err := compareCounts(face, result.model); err != nil {
		t.Error(err)
	}
	if err := compareUsers(face, sampleUsers(result.model, usersSampled), result.model, 60); err != nil {
		t.Error(err)
	}
}

func TestHarnessMixHoldsEveryOperation(t *testing.T) {
	_, urls := startToy(t, 0)
	load := startLoad(t, urls, shortLoad())
	result := load.finish()
	met := map[string]int{}
	now := time.Now().Unix()
	for key, expiry := range result.model {
		if expiry <= now {
			met["past"]++
		}
		if len(key.id) == 128 {
			met["longest ID"]++
		}
		if strings.Contains(key.id, "/") {
			met["ID to escape"]++
		}
	}
	for _, w := range load.writers {
		for _, id := range w.users {
			kept := false
			for _, segment := range segments {
				_, held := w.model[membership{id, segment}]
				kept = kept || held
			}
			if !kept {
				met["deleted user"]++
			}
		}
	}
	for _, kind := range []string{"past", "longest ID", "ID to escape", "deleted user"} {
		if met[kind] == 0 {
			t.Errorf("6000 writes hold no %s", kind)
		}
	}
}

func TestHarnessSeesALostWrite(t *testing.T) {
	y, urls := startToy(t, 0)
	lost := map[membership]bool{} // a few: the mix may delete one later
	y.lose = func(r record) bool {
		if len(lost) < 5 && r.expiry > time.Now().Unix() && y.mu.held[r.membership] == 0 {
			lost[r.membership] = true
		}
		return lost[r.membership]
	}
	result := startLoad(t, urls, shortLoad()).finish()
	face := &node{id: "toy", base: urls[0]}
	if compareCounts(face, result.model) == nil {
		t.Error("the counts are short of lost writes, and it went unseen")
	}
	var users []string
	for key := range lost {
		users = append(users, key.id)
	}
	if compareUsers(face, users, result.model, 60) == nil {
		t.Error("users miss memberships, and it went unseen")
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if sameMap(y.mu.held, result.model) == nil {
		t.Error("the table misses rows, and it went unseen")
	}
}

func TestHarnessComparesReplicas(t *testing.T) {
	view := func(id string, index uint64, digest string, outbox int64) clusterView {
		var v clusterView
		v.AnsweredBy = id
		v.Shards = append(v.Shards, shardView{OutboxRows: outbox, Replicas: []replicaView{
			{Node: "other", Role: "leader", Index: 99, Digest: "zz"},
			{Node: id, Role: "follower", Index: index, Digest: digest},
		}})
		return v
	}
	tests := []struct {
		name                      string
		a, b                      clusterView
		wantUnsettled, wantBroken bool
	}{
		{"equal", view("n1", 7, "aa", 0), view("n2", 7, "aa", 0), false, false},
		{"behind", view("n1", 7, "aa", 0), view("n2", 6, "bb", 0), true, false},
		{"rows waiting", view("n1", 7, "aa", 0), view("n2", 7, "aa", 3), true, false},
		{"diverged", view("n1", 7, "aa", 0), view("n2", 7, "bb", 0), false, true},
		{"no digest", view("n1", 7, "aa", 0), view("n2", 7, "", 0), true, false},
		{"no shard", view("n1", 7, "aa", 0), clusterView{AnsweredBy: "n2"}, true, false},
	}
	for _, test := range tests {
		unsettled, broken := compareReplicas([]clusterView{test.a, test.b}, true)
		if (unsettled != nil) != test.wantUnsettled || (broken != nil) != test.wantBroken {
			t.Errorf("%s: unsettled %v, broken %v", test.name, unsettled, broken)
		}
	}
}

func TestHarnessModelRules(t *testing.T) {
	now := time.Unix(1_000_000_020, 0) // a bucket of 60 s ends here
	m := model{}
	steps := []struct {
		ahead int64
		want  string
	}{
		{-10, "expired"},
		{100, "created"},
		{100, "unchanged"},
		{120, "unchanged"},
		{121, "renewed"},
		{50, "unchanged"},
		{600, "renewed"},
	}
	for _, step := range steps {
		r := record{membership{"u", "s"}, now.Unix() + step.ahead}
		if got := m.status(r, now, 60); got != step.want {
			t.Errorf("a write %d s ahead is %s, want %s", step.ahead, got, step.want)
		}
		m.write(r)
	}
	if got := m[membership{"u", "s"}]; got != now.Unix()+600 {
		t.Errorf("the expiry is %d, want the latest", got)
	}
}

func TestHarnessReadsLogs(t *testing.T) {
	if err := complaint([]byte("level=INFO msg=\"all is well\"\n")); err != nil {
		t.Errorf("a good log: %v", err)
	}
	for _, bad := range []string{"panic: oh", "WARNING: DATA RACE", "fatal error: all goroutines are asleep"} {
		if complaint([]byte("fine\n"+bad+"\n")) == nil {
			t.Errorf("%q went unseen", bad)
		}
	}
	if got := lastLines([]byte("a\nb\nc\n"), 2); got != "b\nc" {
		t.Errorf("the last two lines are %q", got)
	}
}

func TestHarnessPortsAreFree(t *testing.T) {
	first, second := freePorts(t, 40), freePorts(t, 3)
	if !portsFree(first, 40) || !portsFree(second, 3) {
		t.Error("a port is taken")
	}
	if second >= first && second < first+40 {
		t.Errorf("ports from %d and from %d overlap", first, second)
	}
}
