package client_test

import (
	"context"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"headcount/client"
	"headcount/client/clienttest"
)

// in returns the expiry that lies the duration ahead.
func in(d time.Duration) client.UnixSeconds { return client.At(time.Now().Add(d)) }

// newClient returns a client that lives as long as the test.
func newClient(t *testing.T, options client.Options, urls ...string) *client.Client {
	t.Helper()
	c, err := client.New(options, urls...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestMembershipsAreCountedRenewedAndEnded(t *testing.T) {
	ctx := t.Context()
	c := newClient(t, client.Options{}, clienttest.New(t).URL)

	put := func(id, segment string, expiry client.UnixSeconds, want client.Status) {
		t.Helper()
		written, err := c.Put(ctx, client.Membership{ID: id, Segment: segment, Expiry: expiry})
		if err != nil {
			t.Fatal(err)
		}
		if written.Status != want || len(written.Version) != 1 {
			t.Errorf("put %s into %s: %+v, want %s and a version", id, segment, written, want)
		}
	}
	put("u1", "sports", in(time.Hour), client.Created)
	put("u1", "sports", in(2*time.Hour), client.Renewed)
	put("u1", "sports", in(time.Hour), client.Unchanged)
	put("u1", "news", in(-time.Hour), client.Expired)
	put("u1", "cars", 0, client.Created)
	put("u2", "sports", 0, client.Created)

	counts, err := c.Counts(ctx, client.Linearizable())
	if err != nil {
		t.Fatal(err)
	}
	if want := []client.SegmentCount{{Title: "sports", UsersCount: 2}, {Title: "cars", UsersCount: 1}}; !slices.Equal(counts, want) {
		t.Errorf("counts: %v, want %v", counts, want)
	}
	if largest, err := c.Counts(ctx, client.Limit(1)); err != nil || len(largest) != 1 || largest[0].Title != "sports" {
		t.Errorf("largest segment: %v, %v", largest, err)
	}

	user, err := c.User(ctx, "u1")
	if err != nil || user.ID != "u1" || len(user.Segments) != 2 {
		t.Errorf("user u1: %+v, %v; want two segments", user, err)
	}

	for _, want := range []client.Status{client.Deleted, client.Absent} {
		if written, err := c.Delete(ctx, "u1", "sports"); err != nil || written.Status != want {
			t.Errorf("delete u1 from sports: %v, %v; want %s", written, err, want)
		}
	}
	if written, err := c.Erase(ctx, "u1"); err != nil || written.Status != client.Erased {
		t.Errorf("erase u1: %v, %v", written, err)
	}
	if n, err := c.Count(ctx, "cars"); err != nil || n != 0 {
		t.Errorf("cars after its only user was erased: %d, %v", n, err)
	}
}

func TestNamesSurviveThePath(t *testing.T) {
	ctx := t.Context()
	c := newClient(t, client.Options{}, clienttest.New(t).URL)
	for _, name := range []string{"a/b", "50% off?", "ключ #1", "a+b&c=d"} {
		if _, err := c.Put(ctx, client.Membership{ID: name, Segment: name}); err != nil {
			t.Fatal(err)
		}
		if user, err := c.User(ctx, name); err != nil || len(user.Segments) != 1 || user.ID != name {
			t.Errorf("user %q: %+v, %v", name, user, err)
		}
		if n, err := c.Count(ctx, name); err != nil || n != 1 {
			t.Errorf("count of %q: %d, %v", name, n, err)
		}
		if written, err := c.Delete(ctx, name, name); err != nil || written.Status != client.Deleted {
			t.Errorf("delete %q: %v, %v", name, written, err)
		}
	}
}

func TestReadYourWrites(t *testing.T) {
	ctx := t.Context()
	c := newClient(t, client.Options{}, clienttest.New(t).URL)
	written, err := c.Put(ctx, client.Membership{ID: "u1", Segment: "sports"})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := c.Count(ctx, "sports", client.AtLeast(written.Version)); err != nil || n != 1 {
		t.Errorf("count at the version of the write: %d, %v", n, err)
	}
	ahead := written.Version.Merge(client.Version{0: 99})
	if n, err := c.Count(ctx, "sports", client.AtLeast(ahead)); err == nil {
		t.Errorf("count at version %s, which no write returned: %d", ahead, n)
	}
}

func TestClusterIsReadWhole(t *testing.T) {
	status, err := newClient(t, client.Options{}, clienttest.New(t).URL).Cluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// These parts of the served document have no zeros, so a misspelled name shows.
	if len(status.Nodes) != 2 || len(status.Shards) != 2 || len(status.Shards[1].Replicas) != 2 {
		t.Fatalf("%+v: want 2 nodes and 2 shards of 2 replicas", status)
	}
	for _, part := range []any{status.Cluster, status.Shards[1], status.Shards[1].Replicas[1], status.Tick} {
		for field, value := range reflect.ValueOf(part).Fields() {
			if value.IsZero() {
				t.Errorf("%T.%s was not read", part, field.Name)
			}
		}
	}
	if got := status.Nodes[1]; got.State != "joining" || got.Alive || got.ClockOffsetMs != -12.5 || got.Gossip != "127.0.0.1:8021" {
		t.Errorf("node n2: %+v", got)
	}
	if got := status.Postgres; !got.Configured || !got.Reachable || got.RowsFlushed != 12345 {
		t.Errorf("postgres: %+v", got)
	}
	if got := status.Tick.Next.Time().Format(time.RFC3339); got != "2022-06-15T00:00:00Z" {
		t.Errorf("next tick: %s", got)
	}
}

func TestNodesJoinAndLeave(t *testing.T) {
	ctx := t.Context()
	c := newClient(t, client.Options{}, clienttest.New(t).URL)
	if err := c.Ready(ctx); err != nil {
		t.Error(err)
	}
	if err := c.Join(ctx, "n2", "127.0.0.1:8011"); err != nil {
		t.Error(err)
	}
	if err := c.Leave(ctx, "n2"); err != nil {
		t.Error(err)
	}
	if err := c.Leave(ctx, "n9"); err == nil || !strings.Contains(err.Error(), "n9 is not in the cluster") {
		t.Errorf("a node that is not there left: %v", err)
	}
}

func TestBadURLsAreRefused(t *testing.T) {
	for _, url := range []string{"", "127.0.0.1:8000", "ftp://x", "http://", "http://x/?a=b"} {
		if _, err := client.New(client.Options{}, url); err == nil {
			t.Errorf("base URL %q was accepted", url)
		}
	}
	if _, err := client.New(client.Options{}); err == nil {
		t.Error("no URL was accepted")
	}
	if _, err := client.New(client.Options{RetriesMax: -1}, "http://x"); err == nil {
		t.Error("negative retries were accepted")
	}
}

// deadURL returns the URL of a port on which nobody listens any more.
func deadURL(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return "http://" + listener.Addr().String()
}

func TestTheContextBoundsARequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	server := clienttest.New(t)
	_, err := newClient(t, client.Options{RetriesMax: 3}, server.URL).Put(ctx, client.Membership{ID: "u1", Segment: "sports"})
	requireOutcome(t, err, client.ErrNotApplied)
	if n := len(server.Requests()); n != 0 {
		t.Errorf("%d requests were sent after the context ended", n)
	}
}
