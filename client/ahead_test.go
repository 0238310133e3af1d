package client_test

import (
	"reflect"
	"testing"
	"time"

	"headcount/client"
	"headcount/client/clienttest"
)

func TestReadsAhead(t *testing.T) {
	server := clienttest.New(t)
	c := newClient(t, client.Options{}, server.URL)
	ctx, now := t.Context(), client.At(time.Now())
	var last client.Written
	for id, in := range map[string]map[string]client.UnixSeconds{
		"u1": {"a, b": 36 * 3600, "sports": 36 * 3600},
		"u2": {"a, b": 12 * 3600, "sports": 36 * 3600},
		"u3": {"sports": 12 * 3600},
	} {
		for segment, ahead := range in {
			var err error
			if last, err = c.Put(ctx, client.Membership{ID: id, Segment: segment, Expiry: now + ahead}); err != nil {
				t.Fatal(err)
			}
		}
	}
	fresh := client.AtLeast(last.Version)

	counts, err := c.CountsAt(ctx, now+24*3600, fresh, client.Limit(1))
	if want := []client.SegmentCount{{Title: "sports", UsersCount: 2}}; err != nil || !reflect.DeepEqual(counts, want) {
		t.Errorf("counts ahead: %v, %v", counts, err)
	}
	overlap, err := c.Overlap(ctx, []string{"sports", "a, b"}, client.Linearizable(), fresh)
	want := client.Overlap{
		Segments:     []client.SegmentCount{{Title: "sports", UsersCount: 3}, {Title: "a, b", UsersCount: 2}},
		Intersection: 2, Union: 3,
	}
	if err != nil || !reflect.DeepEqual(overlap, want) {
		t.Errorf("overlap: %+v, %v", overlap, err)
	}
	forecast, err := c.Forecast(ctx, "a, b", fresh, client.Until(now+72*3600), client.Step(24*time.Hour))
	if err != nil || forecast.Title != "a, b" || len(forecast.Points) < 3 ||
		forecast.Points[0].UsersCount != 2 || forecast.Points[1].UsersCount != 1 || forecast.Points[2].UsersCount != 0 {
		t.Errorf("forecast: %+v, %v", forecast, err)
	}
	if forecast, err := c.Forecast(ctx, "sports"); err != nil || len(forecast.Points) != 15 {
		t.Errorf("forecast as it comes: %+v, %v", forecast, err)
	}
	history, err := c.History(ctx, "sports", fresh, client.From(1_000_000_000), client.To(1_000_000_000))
	if wanted := (client.Points{Title: "sports", Points: []client.Point{{At: 1_000_000_000}}}); err != nil || !reflect.DeepEqual(history, wanted) {
		t.Errorf("history: %+v, %v", history, err)
	}
	if history, err := c.History(ctx, "sports"); err != nil || len(history.Points) != 2 || history.Points[1].UsersCount != 3 {
		t.Errorf("history as it comes: %+v, %v", history, err)
	}
}

func TestABusyNodeIsPassedOver(t *testing.T) {
	busy, idle := clienttest.New(t), clienttest.New(t)
	c := newClient(t, client.Options{}, busy.URL, idle.URL)
	busy.FailNext(clienttest.Fault{Status: 503, Detail: "this node counts 2 overlaps already", RetryAfter: "1"})
	if _, err := c.Overlap(t.Context(), []string{"a", "b"}); err != nil {
		t.Error(err)
	}
	if len(busy.Requests()) != 1 || len(idle.Requests()) != 1 {
		t.Errorf("%d and %d requests", len(busy.Requests()), len(idle.Requests()))
	}
}

// What is no whole number of seconds is not rounded behind the caller's back.
func TestAStepOfLessThanASecondIsSentAsItIs(t *testing.T) {
	server := clienttest.New(t)
	_, _ = newClient(t, client.Options{}, server.URL).Forecast(t.Context(), "s", client.Step(1500*time.Millisecond))
	if got := server.Requests()[0].URL.Query().Get("step"); got != "1.5" {
		t.Errorf("step=%s", got)
	}
}
