package systemtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// usersSampled is how many users of the model are compared on every node.
const usersSampled = 200

// verify compares every given node with the model, the replicas with each other,
// and PostgreSQL with the model. databaseURL is empty where the cluster has none.
func verify(t testing.TB, nodes []*node, want model, bucketSeconds int64, databaseURL string) {
	t.Helper()
	if len(want) == 0 {
		t.Fatal("the model is empty: nothing would be compared")
	}
	verifySettled(t, nodes, databaseURL != "")
	for _, n := range nodes {
		if err := compareCounts(n, want); err != nil {
			t.Errorf("%s: %v", n.id, err)
		}
	}
	sample := sampleUsers(want, usersSampled)
	for _, n := range nodes {
		if err := compareUsers(n, sample, want, bucketSeconds); err != nil {
			t.Errorf("%s: %v", n.id, err)
		}
	}
	if databaseURL != "" {
		verifyTable(t, databaseURL, want)
	}
}

// verifySettled waits until every shard's replicas on the nodes are at one index
// and, when there is a database, everything is in it. Two digests at one index
// that differ fail at once.
func verifySettled(t testing.TB, nodes []*node, withOutbox bool) {
	t.Helper()
	eventually(t, time.Minute, "replicas reaching one index and emptying the outbox", func() error {
		views := make([]clusterView, len(nodes))
		for i, n := range nodes {
			view, err := getCluster(context.Background(), n.base)
			if err != nil {
				return err
			}
			if view.AnsweredBy != n.id {
				t.Fatalf("GET /cluster of %s says it was answered by %q", n.id, view.AnsweredBy)
			}
			views[i] = view
		}
		unsettled, broken := compareReplicas(views, withOutbox)
		if broken != nil {
			t.Fatal(broken)
		}
		return unsettled
	})
}

// compareReplicas says what has yet to settle, and what can never be right.
func compareReplicas(views []clusterView, withOutbox bool) (unsettled, broken error) {
	shards := views[0].Shards
	if len(shards) == 0 {
		return errors.New("no shard is listed"), nil
	}
	for i, shard := range shards {
		var first replicaView
		for j, view := range views {
			if len(view.Shards) != len(shards) || view.Shards[i].Shard != shard.Shard {
				return fmt.Errorf("%s lists other shards than %s", view.AnsweredBy, views[0].AnsweredBy), nil
			}
			if withOutbox && view.Shards[i].OutboxRows != 0 {
				unsettled = fmt.Errorf("%s has %d rows of shard %d in the outbox", view.AnsweredBy, view.Shards[i].OutboxRows, shard.Shard)
			}
			replica, ok := view.own(i)
			if !ok {
				return fmt.Errorf("%s lists no replica of its own of shard %d", view.AnsweredBy, shard.Shard), nil
			}
			switch {
			case replica.Index == 0 || replica.Digest == "":
				unsettled = fmt.Errorf("%s names no index or digest of shard %d", view.AnsweredBy, shard.Shard)
			case j == 0:
				first = replica
			case replica.Index != first.Index:
				unsettled = fmt.Errorf("shard %d is at index %d on %s and %d on %s",
					shard.Shard, first.Index, first.Node, replica.Index, replica.Node)
			case replica.Digest != first.Digest:
				return nil, fmt.Errorf("shard %d at index %d has digest %s on %s and %s on %s",
					shard.Shard, first.Index, first.Digest, first.Node, replica.Digest, replica.Node)
			case replica.Memberships != first.Memberships:
				return nil, fmt.Errorf("shard %d at index %d has %d memberships on %s and %d on %s",
					shard.Shard, first.Index, first.Memberships, first.Node, replica.Memberships, replica.Node)
			}
		}
	}
	return unsettled, nil
}

// compareCounts wants a node's counts equal to the model's, in their order.
func compareCounts(n *node, want model) error {
	got, err := getCounts(context.Background(), n.base)
	if err != nil {
		return err
	}
	// A segment that nobody is left in may be listed with 0, or not at all.
	got = slices.DeleteFunc(got, func(c segmentCount) bool { return c.UsersCount == 0 })
	if wanted := want.counts(time.Now()); !slices.Equal(got, wanted) {
		return fmt.Errorf("GET /segments/count: %v, want %v", got, wanted)
	}
	for _, count := range got {
		single, err := getCount(context.Background(), n.base, count.Title)
		if err != nil {
			return err
		}
		if single != count.UsersCount {
			return fmt.Errorf("GET /segments/%s/count: %d, want %d", count.Title, single, count.UsersCount)
		}
	}
	return nil
}

// sampleUsers picks n users of the model at random.
func sampleUsers(m model, n int) []string {
	seen := map[string]bool{}
	var users []string
	for key := range m {
		if !seen[key.id] {
			seen[key.id] = true
			users = append(users, key.id)
		}
	}
	slices.Sort(users)
	rand.Shuffle(len(users), func(i, j int) { users[i], users[j] = users[j], users[i] })
	return users[:min(n, len(users))]
}

// compareUsers wants the users' live memberships on a node equal to the model's,
// expiries rounded up to the end of their bucket.
func compareUsers(n *node, users []string, want model, bucketSeconds int64) error {
	now := time.Now().Unix()
	expected := map[string]map[string]int64{}
	for _, id := range users {
		expected[id] = map[string]int64{}
	}
	for key, expiry := range want {
		if of, sampled := expected[key.id]; sampled && expiry > now {
			of[key.segment] = bucketOf(expiry, bucketSeconds)
		}
	}
	for _, id := range users {
		got, err := getMemberships(context.Background(), n.base, id)
		if err != nil {
			return err
		}
		if err := sameMap(got, expected[id]); err != nil {
			return fmt.Errorf("GET /users/%s: %w", id, err)
		}
	}
	return nil
}

// verifyTable wants PostgreSQL's rows equal to the model, past expiries too.
func verifyTable(t testing.TB, databaseURL string, want model) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	got, err := readTable(ctx, databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	if err := sameMap(got, want); err != nil {
		t.Errorf("the users table in PostgreSQL: %v", err)
	}
}

// sameMap says how got differs from want, with the first few differences.
func sameMap[K comparable](got, want map[K]int64) error {
	const shown = 5
	var differences []error
	note := func(format string, args ...any) {
		differences = append(differences, fmt.Errorf(format, args...))
	}
	for key, value := range want {
		if found, ok := got[key]; !ok {
			note("%v is missing, want %d", key, value)
		} else if found != value {
			note("%v is %d, want %d", key, found, value)
		}
	}
	for key, value := range got {
		if _, ok := want[key]; !ok {
			note("%v is %d, want none", key, value)
		}
	}
	if len(differences) == 0 {
		return nil
	}
	return fmt.Errorf("%d differences between %d found and %d wanted: %w", len(differences), len(got), len(want),
		errors.Join(differences[:min(shown, len(differences))]...))
}
