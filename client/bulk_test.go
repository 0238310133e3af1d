package client_test

import (
	"fmt"
	"iter"
	"testing"

	"headcount/client"
	"headcount/client/clienttest"
)

// users yields n memberships of sports; every unnamedEvery-th has no ID.
func users(n, unnamedEvery int) iter.Seq[client.Membership] {
	return func(yield func(client.Membership) bool) {
		for i := 1; i <= n; i++ {
			m := client.Membership{ID: fmt.Sprintf("u%06d", i), Segment: "sports"}
			if i%unnamedEvery == 0 {
				m.ID = ""
			}
			if !yield(m) {
				return
			}
		}
	}
}

func TestAStreamIsPutInSeveralRequests(t *testing.T) {
	server := clienttest.New(t)
	c := newClient(t, client.Options{}, server.URL)
	result, err := c.PutAll(t.Context(), users(25_000, 200))
	if err != nil {
		t.Fatal(err)
	}
	if requests := len(server.Requests()); requests != 3 {
		t.Errorf("%d requests, want 3", requests)
	}
	if result.Created != 24_875 || result.Rejected != 125 || server.Memberships() != 24_875 {
		t.Errorf("%d created, %d rejected, %d held", result.Created, result.Rejected, server.Memberships())
	}
	if len(result.Rejections) != 100 {
		t.Fatalf("%d rejections, want the first 100", len(result.Rejections))
	}
	for i, rejection := range result.Rejections {
		if want := int64(200 * (i + 1)); rejection.Record != want || rejection.Reason == "" {
			t.Fatalf("rejection %d: %+v, want record %d of the stream", i, rejection, want)
		}
	}
	if n, err := c.Count(t.Context(), "sports", client.AtLeast(result.Version)); err != nil || n != 24_875 {
		t.Errorf("count at version %s: %d, %v", result.Version, n, err)
	}
}

func TestAStreamStopsAtAFailedRequest(t *testing.T) {
	server := clienttest.New(t)
	c := newClient(t, client.Options{}, server.URL)
	server.FailNext(clienttest.Fault{Status: 503})
	result, err := c.PutAll(t.Context(), users(15_000, 20_000))
	requireOutcome(t, err, client.ErrNotApplied)
	if result.Created != 0 || server.Memberships() != 0 {
		t.Errorf("%+v, %d held: want nothing", result, server.Memberships())
	}
}

func TestARefusedRequestOfAStreamMayBeAppliedInPart(t *testing.T) {
	server := clienttest.New(t)
	server.FailNext(clienttest.Fault{Status: 413})
	_, err := newClient(t, client.Options{}, server.URL).PutAll(t.Context(), users(10, 20))
	requireOutcome(t, err, client.ErrUnknown)
}

func TestAStreamIsRepeatedFromTheFailedRequest(t *testing.T) {
	server := clienttest.New(t)
	c := newClient(t, client.Options{RetriesMax: 1}, server.URL)
	server.FailNext(clienttest.Fault{Applied: true}) // the reply of the first request is lost
	result, err := c.PutAll(t.Context(), users(15_000, 20_000))
	if err != nil {
		t.Fatal(err)
	}
	if result.Unchanged+result.Renewed != 10_000 || result.Created != 5_000 || server.Memberships() != 15_000 {
		t.Errorf("%+v, %d held", result, server.Memberships())
	}
}

func TestAnEmptyStreamSendsNothing(t *testing.T) {
	server := clienttest.New(t)
	if _, err := newClient(t, client.Options{}, server.URL).PutAll(t.Context(), users(0, 1)); err != nil {
		t.Error(err)
	}
	if n := len(server.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}
