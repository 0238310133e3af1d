package client_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"headcount/client"
	"headcount/client/clienttest"
)

// requireOutcome wants an error that matches this outcome and not the other, in one
// line.
func requireOutcome(t *testing.T, err, want error) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	for _, outcome := range []error{client.ErrNotApplied, client.ErrUnknown} {
		if got := errors.Is(err, outcome); got != (outcome == want) {
			t.Errorf("error %q: matches %q: %v", err, outcome, got)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error of several lines: %q", err)
	}
}

func TestAnErrorSaysWhatBecameOfTheWrite(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults []clienttest.Fault
		retry  int
		want   error // nil: the write succeeds
	}{
		{"503", []clienttest.Fault{{Status: 503}}, 0, client.ErrNotApplied},
		{"400", []clienttest.Fault{{Status: 400}}, 5, client.ErrNotApplied},
		{"504", []clienttest.Fault{{Status: 504}}, 0, client.ErrUnknown},
		{"500", []clienttest.Fault{{Status: 500}}, 5, client.ErrUnknown},
		{"a cut connection", []clienttest.Fault{{}}, 0, client.ErrUnknown},
		{"503, repeated", []clienttest.Fault{{Status: 503}, {Status: 503}}, 2, nil},
		{"504, repeated", []clienttest.Fault{{Status: 504}}, 1, nil},
		{"a lost reply, repeated", []clienttest.Fault{{Applied: true}}, 1, nil},
		{"too many", []clienttest.Fault{{Status: 503}, {Status: 503}, {Status: 503}}, 2, client.ErrNotApplied},
		// The first attempt may have been applied, whatever the second one's fate.
		{"504, then 503", []clienttest.Fault{{Status: 504}, {Status: 503}}, 1, client.ErrUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := clienttest.New(t)
			server.FailNext(c.faults...)
			headcount := newClient(t, client.Options{RetriesMax: c.retry}, server.URL)
			_, err := headcount.Put(t.Context(), client.Membership{ID: "u1", Segment: "sports"})
			if c.want == nil {
				if err != nil || server.Memberships() != 1 {
					t.Errorf("%d memberships, %v", server.Memberships(), err)
				}
				return
			}
			requireOutcome(t, err, c.want)
		})
	}
}

func TestTheProblemIsFound(t *testing.T) {
	server := clienttest.New(t)
	server.FailNext(clienttest.Fault{Status: 503, Detail: "the outbox is full:\nbring PostgreSQL back", RetryAfter: "7"})
	_, err := newClient(t, client.Options{}, server.URL).Put(t.Context(), client.Membership{ID: "u1", Segment: "sports"})
	requireOutcome(t, err, client.ErrNotApplied)
	var problem *client.Problem
	if !errors.As(err, &problem) {
		t.Fatalf("no problem in %v", err)
	}
	want := client.Problem{Status: 503, Detail: "the outbox is full: bring PostgreSQL back", RetryAfter: 7 * time.Second}
	if *problem != want {
		t.Errorf("%+v, want %+v", *problem, want)
	}
}

func TestTheErrorOfAReadHasNoOutcome(t *testing.T) {
	server := clienttest.New(t)
	server.FailNext(clienttest.Fault{Status: 504})
	_, err := newClient(t, client.Options{}, server.URL).Counts(t.Context())
	requireOutcome(t, err, nil)
}

func TestRetryAfterIsHonoured(t *testing.T) {
	server := clienttest.New(t)
	server.FailNext(clienttest.Fault{Status: 503, RetryAfter: "1"})
	began := time.Now()
	_, err := newClient(t, client.Options{RetriesMax: 1}, server.URL).Put(t.Context(), client.Membership{ID: "u1", Segment: "sports"})
	if took := time.Since(began); err != nil || took < time.Second {
		t.Errorf("asked again after %s, wanted 1s: %v", took, err)
	}
}

func TestNoWaitThatCannotHelp(t *testing.T) {
	put := func(ctx context.Context, options client.Options) {
		t.Helper()
		server := clienttest.New(t)
		server.FailNext(clienttest.Fault{Status: 503, RetryAfter: "3600"})
		_, err := newClient(t, options, server.URL).Put(ctx, client.Membership{ID: "u1", Segment: "sports"})
		requireOutcome(t, err, client.ErrNotApplied)
		if n := len(server.Requests()); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	}
	put(t.Context(), client.Options{RetriesMax: 1, RetryWaitMax: time.Minute})

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	put(ctx, client.Options{RetriesMax: 1, RetryWaitMax: 24 * time.Hour})
}

func TestTheNextURLIsAsked(t *testing.T) {
	busy, well := clienttest.New(t), clienttest.New(t)
	busy.FailNext(clienttest.Fault{Status: 503, RetryAfter: "60"})
	c := newClient(t, client.Options{}, deadURL(t), busy.URL, well.URL)
	for _, id := range []string{"u1", "u2"} {
		if _, err := c.Put(t.Context(), client.Membership{ID: id, Segment: "sports"}); err != nil {
			t.Fatal(err)
		}
	}
	if len(busy.Requests()) != 1 || well.Memberships() != 2 {
		t.Errorf("the busy node was asked %d times, the well one holds %d memberships; want 1 and 2",
			len(busy.Requests()), well.Memberships())
	}
}

func TestAnUnknownOutcomeIsNotCarriedToTheNextURL(t *testing.T) {
	slow, well := clienttest.New(t), clienttest.New(t)
	slow.FailNext(clienttest.Fault{Status: 504})
	c := newClient(t, client.Options{}, slow.URL, well.URL)
	_, err := c.Delete(t.Context(), "u1", "sports")
	requireOutcome(t, err, client.ErrUnknown)
	if n := len(well.Requests()); n != 0 {
		t.Errorf("the write was repeated %d times without being asked to", n)
	}
	slow.FailNext(clienttest.Fault{Status: 504})
	if _, err := c.Counts(t.Context()); err != nil {
		t.Errorf("a read was not: %v", err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	c := newClient(t, client.Options{RetriesMax: 1}, deadURL(t), deadURL(t))
	_, err := c.Put(t.Context(), client.Membership{ID: "u1", Segment: "sports"})
	requireOutcome(t, err, client.ErrNotApplied)
	if err := c.Ready(t.Context()); err == nil {
		t.Error("nobody is ready")
	}
}

func TestANodeThatNeverReplies(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, and that is all
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c := newClient(t, client.Options{AttemptTimeout: 50 * time.Millisecond}, "http://"+silent.Addr().String())
	_, err = c.Put(t.Context(), client.Membership{ID: "u1", Segment: "sports"})
	requireOutcome(t, err, client.ErrUnknown)
}

func TestInvalidUTF8IsNotSentAsAnotherName(t *testing.T) {
	server := clienttest.New(t)
	c := newClient(t, client.Options{}, server.URL)
	_, err := c.Put(t.Context(), client.Membership{ID: "u\xff", Segment: "sports"})
	requireOutcome(t, err, client.ErrNotApplied)
	if n := len(server.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}
