package systemtest

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// The drain by ticks: counted until it expires, gone soon after, on every node.
func TestTickEveryTwoSeconds(t *testing.T) {
	t.Parallel()
	c := startCluster(t, settings{bucketWidth: "1s", tickSchedule: "@every 2s"})
	before := watermarks(t, c)
	posted := time.Now()
	expiry := posted.Unix() + 3
	mustWrite(t, c.nodes[0], record{membership{"u104010", "sports"}, expiry})

	time.Sleep(time.Until(posted.Add(time.Second)))
	wantCount(t, c, "sports", 1)
	time.Sleep(time.Until(posted.Add(5 * time.Second)))
	wantCount(t, c, "sports", 0)

	eventually(t, 10*time.Second, "the watermark of every shard moving on every node", func() error {
		for id, now := range watermarks(t, c) {
			if now == before[id] {
				return fmt.Errorf("the watermark of %s is still %s", id, now)
			}
		}
		return nil
	})
	wantCount(t, c, "sports", 0)
}

// Without a tick near, a membership stops counting within a bucket width.
func TestTickDaily(t *testing.T) {
	t.Parallel()
	c := startCluster(t, settings{bucketWidth: "1s", tickSchedule: "0 0 * * *"})
	// A tick at midnight would make this the other test.
	if now := time.Now().UTC(); now.Add(time.Minute).YearDay() != now.YearDay() {
		time.Sleep(2 * time.Minute)
	}
	before := watermarks(t, c)
	expiry := time.Now().Unix() + 4
	mustWrite(t, c.nodes[1], record{membership{"u104010", "sports"}, expiry})

	time.Sleep(time.Until(time.Unix(expiry, 0).Add(-1500 * time.Millisecond)))
	wantCount(t, c, "sports", 1)
	// One bucket width, and a second for a node that polls its clock.
	time.Sleep(time.Until(time.Unix(expiry, 0).Add(2 * time.Second)))
	wantCount(t, c, "sports", 0)
	for id, now := range watermarks(t, c) {
		if now != before[id] {
			t.Errorf("the watermark of %s moved from %s to %s with the next tick at midnight", id, before[id], now)
		}
	}
}

// watermarks returns the watermark of every shard on every node, as text.
func watermarks(t *testing.T, c *cluster) map[string]string {
	t.Helper()
	marks := map[string]string{}
	for _, n := range c.nodes {
		view, err := getCluster(context.Background(), n.base)
		if err != nil {
			t.Fatal(err)
		}
		for _, shard := range view.Shards {
			marks[fmt.Sprintf("shard %d on %s", shard.Shard, n.id)] = string(shard.Watermark)
		}
	}
	if len(marks) == 0 {
		t.Fatal("no watermark is listed")
	}
	return marks
}

// wantCount wants the same count on all nodes, now, listed and alone.
func wantCount(t *testing.T, c *cluster, segment string, want int64) {
	t.Helper()
	for _, n := range c.running() {
		got, err := getCount(context.Background(), n.base, segment)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s counts %d in %q, want %d", n.id, got, segment, want)
		}
		listed, err := getCounts(context.Background(), n.base)
		if err != nil {
			t.Fatal(err)
		}
		got = 0
		for _, count := range listed {
			if count.Title == segment {
				got = count.UsersCount
			}
		}
		if got != want {
			t.Errorf("%s lists %d in %q, want %d", n.id, got, segment, want)
		}
	}
}

// mustWrite posts one record to one node, once, and wants it acknowledged.
func mustWrite(t testing.TB, n *node, r record) reply {
	t.Helper()
	got, err := send(context.Background(), postOf(n, r))
	if err != nil {
		t.Fatal(err)
	}
	if got.status != http.StatusCreated && got.status != http.StatusOK {
		t.Fatalf("POST /users to %s: %v", n.id, got)
	}
	return got
}
