package systemtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func TestJoinByFlag(t *testing.T) {
	testJoinAndLeave(t, func(c *cluster, fourth *node) {
		c.start(fourth, "--join", c.nodes[1].peer)
	})
}

func TestJoinByRequest(t *testing.T) {
	testJoinAndLeave(t, func(c *cluster, fourth *node) {
		c.start(fourth)
		eventually(t, 20*time.Second, "the join of n4", func() error {
			got := change(t, c.nodes[2], "join", map[string]string{"id": fourth.id, "address": fourth.peer})
			if got.status >= 300 {
				return errors.New(got.String())
			}
			return nil
		})
	})
}

// testJoinAndLeave takes a fourth node in and out under a light load.
func testJoinAndLeave(t *testing.T, join func(*cluster, *node)) {
	database := newDatabase(t)
	c := startCluster(t, settings{postgresURL: database})
	founders := c.nodes
	light := startLoad(t, bases(founders), lightLoad(t))
	light.reach(light.share(20))

	fourth := c.addNode()
	join(c, fourth)
	c.waitReady(fourth)
	waitFullReplica(t, fourth)
	light.reach(light.share(80)) // some of it with four
	result := light.finish()
	result.mustNotWait(t, writesGoOn)
	verify(t, c.nodes, result.model, 60, database)

	for i := range 20 { // the new node takes writes
		r := record{membership{fmt.Sprintf("four-%d", i), segments[0]}, time.Now().Add(time.Hour).Unix()}
		mustWrite(t, fourth, r)
		result.model.write(r)
	}
	verify(t, c.nodes, result.model, 60, database)

	if got := change(t, founders[0], "leave", map[string]string{"id": fourth.id}); got.status >= 300 {
		t.Fatalf("the leave of n4: %v", got)
	}
	waitGone(t, founders, fourth.id)
	waitServesNothing(t, fourth)
	for i := range 20 {
		r := record{membership{fmt.Sprintf("three-%d", i), segments[0]}, time.Now().Add(time.Hour).Unix()}
		mustWrite(t, founders[i%3], r)
		result.model.write(r)
	}
	verify(t, founders, result.model, 60, database)
}

// change posts to /cluster/join or /cluster/leave. A change waits for a node to
// catch up, so it is given longer than a write.
func change(t testing.TB, at *node, what string, body map[string]string) reply {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	got, err := sendWithin(context.Background(), 40*time.Second, request{
		method: http.MethodPost, url: at.base + "/cluster/" + what, contentType: "application/json", body: raw,
	})
	if err != nil {
		t.Fatalf("POST /cluster/%s %s: %v", what, raw, err)
	}
	t.Logf("POST /cluster/%s %s: %v", what, raw, got)
	return got
}

// waitFullReplica waits until a node votes in every shard, by its own account.
func waitFullReplica(t *testing.T, n *node) {
	t.Helper()
	eventually(t, 40*time.Second, n.id+" becoming a full replica", func() error {
		view, err := getCluster(context.Background(), n.base)
		if err != nil {
			return err
		}
		if len(view.Shards) == 0 {
			return errors.New("it lists no shard")
		}
		for i, shard := range view.Shards {
			replica, ok := view.own(i)
			if !ok || (replica.Role != "follower" && replica.Role != "leader") {
				return fmt.Errorf("in shard %d it is %q", shard.Shard, replica.Role)
			}
		}
		return nil
	})
}

// waitGone waits until no other node lists the node any more, as a member or as
// the leader of anything.
func waitGone(t *testing.T, others []*node, id string) {
	t.Helper()
	eventually(t, 40*time.Second, id+" leaving", func() error {
		for _, n := range others {
			view, err := getCluster(context.Background(), n.base)
			if err != nil {
				return err
			}
			if view.lists(id) {
				return fmt.Errorf("%s still lists it", n.id)
			}
			for _, shard := range view.Shards {
				if shard.Leader == id {
					return fmt.Errorf("%s still names it leader of shard %d", n.id, shard.Shard)
				}
			}
		}
		return nil
	})
}

// waitServesNothing waits until a node that has left answers neither reads nor
// writes: what it holds grows old.
func waitServesNothing(t *testing.T, n *node) {
	t.Helper()
	post := request{
		method: http.MethodPost, url: n.base + "/users", contentType: "application/json",
		body: []byte(`{"ID":"late","segment":"late"}`),
	}
	for _, r := range []request{{method: http.MethodGet, url: n.base + "/segments/count"}, post} {
		eventually(t, 10*time.Second, n.id+" serving nothing", func() error {
			got, err := send(context.Background(), r)
			if err != nil {
				return err
			}
			if got.status != http.StatusServiceUnavailable {
				return fmt.Errorf("%s %s: %v, want 503", r.method, r.url, got)
			}
			return isProblem(got)
		})
	}
}

func TestJoinAndLeaveRefused(t *testing.T) {
	t.Parallel()
	c := startCluster(t, settings{})
	nobody := loopback(freePorts(t, 1))

	wantRefusal(t, c.nodes[0], "join", map[string]string{"id": "n9", "address": nobody})
	wantRefusal(t, c.nodes[0], "join", map[string]string{"id": "n9", "address": "no address"})
	wantRefusal(t, c.nodes[1], "join", map[string]string{"id": "n2", "address": nobody})
	wantRefusal(t, c.nodes[1], "join", map[string]string{"id": "", "address": nobody})
	wantImpostorRefused(t, c)
	wantRefusal(t, c.nodes[0], "join", map[string]string{"id": "n9", "address": c.nodes[2].peer})
	for _, n := range c.nodes {
		if got := change(t, n, "leave", map[string]string{"id": "n9"}); got.status != http.StatusNotFound || isProblem(got) != nil {
			t.Errorf("leave of an unknown node by way of %s: %v, want 404", n.id, got)
		}
		if got := change(t, n, "join", map[string]string{"id": "n 9", "address": nobody}); got.status != http.StatusBadRequest || isProblem(got) != nil {
			t.Errorf("join under an ID that no node can have by way of %s: %v, want 400", n.id, got)
		}
	}
	wantRefusal(t, c.nodes[2], "leave", map[string]string{"id": ""})

	// Two of three are a majority; one of the two left by a leave would not be. The
	// refusal must not wait until gossip has noticed the death.
	c.kill(c.nodes[2])
	wantRefusal(t, c.nodes[0], "leave", map[string]string{"id": "n2"})
	mustWriteEventually(t, c.nodes[0], record{membership{"u1", "s"}, time.Now().Add(time.Hour).Unix()})
	for _, n := range c.nodes[:2] {
		view, err := getCluster(context.Background(), n.base)
		if err != nil {
			t.Fatal(err)
		}
		if len(view.Nodes) != 3 {
			t.Errorf("%s lists %d nodes after refusals only, want 3", n.id, len(view.Nodes))
		}
		for _, listed := range view.Nodes {
			if listed.State == "leaving" {
				t.Errorf("%s lists %s as %q after refusals only", n.id, listed.ID, listed.State)
			}
		}
	}
}

// wantImpostorRefused tries to join a new process that calls itself n2.
func wantImpostorRefused(t *testing.T, c *cluster) {
	t.Helper()
	other := newCluster(t, 3, settings{}) // never born: one of its nodes runs
	impostor := other.nodes[1]
	other.start(impostor)
	eventually(t, 10*time.Second, "the second n2 listening", func() error {
		got, err := send(context.Background(), request{method: http.MethodGet, url: impostor.base + "/healthz"})
		if err != nil {
			return err
		}
		if got.status != http.StatusOK {
			return errors.New(got.String())
		}
		return nil
	})
	wantRefusal(t, c.nodes[0], "join", map[string]string{"id": impostor.id, "address": impostor.peer})
	if ready(impostor) == nil {
		t.Error("a second n2 became ready")
	}
}

// wantRefusal wants a problem reply that says what to change.
func wantRefusal(t *testing.T, at *node, what string, body map[string]string) {
	t.Helper()
	got := change(t, at, what, body)
	if got.status != http.StatusServiceUnavailable && (got.status < 400 || got.status > 499) {
		t.Errorf("%s %v: %v, want a refusal (4xx or 503)", what, body, got)
	}
	if err := isProblem(got); err != nil {
		t.Errorf("%s %v: %v", what, body, err)
	}
}

// isProblem says how a reply differs from a problem reply with a useful detail.
func isProblem(got reply) error {
	if kind := got.header.Get("Content-Type"); !strings.HasPrefix(kind, "application/problem+json") {
		return fmt.Errorf("the content type of %v is %q, want application/problem+json", got, kind)
	}
	var problem struct {
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(got.body, &problem); err != nil {
		return fmt.Errorf("%w in %v", err, got)
	}
	if len(problem.Detail) < 10 {
		return fmt.Errorf("the detail %q of %v says too little", problem.Detail, got)
	}
	if problem.Status != 0 && problem.Status != got.status {
		return fmt.Errorf("the problem names status %d in %v", problem.Status, got)
	}
	return nil
}

// mustWriteEventually allows for an election.
func mustWriteEventually(t *testing.T, n *node, r record) {
	t.Helper()
	eventually(t, 20*time.Second, "a write to "+n.id, func() error {
		got, err := send(context.Background(), postOf(n, r))
		if err != nil {
			return err
		}
		if got.status >= 300 {
			return errors.New(got.String())
		}
		return nil
	})
}

// A node that lost its disk has forgotten its votes: under its old ID it could
// help elect a leader that misses acknowledged writes. It must stay out.
func TestWipedNodeStaysOut(t *testing.T) {
	t.Parallel()
	c := startCluster(t, settings{})
	load := startLoad(t, bases(c.nodes[:2]), lightLoad(t))
	load.reach(load.share(30))
	wiped := c.nodes[2]
	if err := wiped.stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(wiped.data); err != nil {
		t.Fatal(err)
	}
	logged, err := os.ReadFile(wiped.log)
	if err != nil {
		t.Fatal(err)
	}
	c.start(wiped)

	watched := time.Now().Add(8 * time.Second)
	for time.Now().Before(watched) && wiped.process.running() {
		if err := ready(wiped); err == nil {
			t.Fatal("a node with an empty disk became ready under the ID of a member")
		}
		time.Sleep(100 * time.Millisecond)
	}
	log, err := os.ReadFile(wiped.log)
	if err != nil {
		t.Fatal(err)
	}
	since := strings.ToLower(string(log[len(logged):]))
	if !strings.Contains(since, "refus") && !strings.Contains(since, "empty") && !strings.Contains(since, "wiped") && !strings.Contains(since, "lost") {
		t.Errorf("its log does not say why it stays out:\n%s", lastLines([]byte(since), 20))
	}
	wiped.process.kill()

	result := load.finish()
	verify(t, c.nodes[:2], result.model, 60, "")
}
