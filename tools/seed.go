package tools

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"headcount/client"
)

const (
	seedUsersMax       = 1_000_000
	seedUsersRandomMax = 1000 // when no number is given
	seedRequestsMax    = 8    // under way at once
	seedRetriesMax     = 5    // of one request: a leader may just be changing

	// An expiry lies this far ahead. The least keeps a slow seed from posting a
	// membership that has already expired.
	seedLifetimeMin = time.Minute
	seedLifetimeMax = 14 * 24 * time.Hour
)

// SeedOptions says what [Seed] posts, and where.
type SeedOptions struct {
	URL      string    // of a node, or of several, separated by commas
	Users    int       // 0: a random number from 1 to 1,000
	Segments []string  // to choose from; empty: a list like a shop window's
	Out      io.Writer // takes the progress bar, if it is a terminal, and the last line
}

// seedSegments are the segments of an advertiser's imaginary audience.
var seedSegments = []string{
	"sports", "football", "running", "news", "politics", "weather", "cars", "electric-cars", "travel", "city-breaks",
	"cooking", "vegan", "wine", "movies", "series", "music", "concerts", "games", "board-games", "books",
	"fashion", "sneakers", "beauty", "parents", "students", "pets", "garden", "home-office", "gadgets", "photography",
	"finance", "crypto", "insurance", "real-estate", "jobs", "health", "fitness", "yoga", "discounts", "new-customers",
}

// Seed posts random users, one request each: a random ID, a segment of the list,
// an expiry within 14 days. The first request that fails ends it; what was posted
// until then stays, and the last line counts it.
func Seed(ctx context.Context, o SeedOptions) error {
	if o.Users < 0 || o.Users > seedUsersMax {
		return fmt.Errorf("%d users asked for: give 1 to %d, or 0 for a random number", o.Users, seedUsersMax)
	}
	if o.Users == 0 {
		o.Users = 1 + rand.IntN(seedUsersRandomMax)
	}
	if len(o.Segments) == 0 {
		o.Segments = seedSegments
	}
	headcount, err := dial(o.URL, client.Options{RetriesMax: seedRetriesMax})
	if err != nil {
		return err
	}
	defer headcount.Close()

	bar := newProgress(o.Out, "posting users", int64(o.Users))
	began := time.Now()
	var posted tally
	err = post(ctx, headcount, o, func(status client.Status) {
		posted.add(status)
		bar.add(1)
	})
	bar.clear()
	fmt.Fprintln(o.Out, posted.line(time.Since(began)))
	return err
}

// post puts the users, a bounded number at once, and reports each one's status
// from the goroutine that put it.
func post(ctx context.Context, headcount *client.Client, o SeedOptions, report func(client.Status)) error {
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(seedRequestsMax, o.Users) {
		group.Go(func() error {
			for next.Add(1) <= int64(o.Users) {
				written, err := headcount.Put(ctx, randomMembership(o.Segments))
				if err != nil {
					return err
				}
				report(written.Status)
			}
			return nil
		})
	}
	return group.Wait()
}

func randomMembership(segments []string) client.Membership {
	lifetime := seedLifetimeMin + rand.N(seedLifetimeMax-seedLifetimeMin)
	return client.Membership{
		ID:      fmt.Sprintf("u%06d", rand.IntN(seedUsersMax)),
		Segment: segments[rand.IntN(len(segments))],
		Expiry:  client.At(time.Now().Add(lifetime)),
	}
}

// tally counts the users posted.
type tally struct {
	mu struct {
		sync.Mutex
		users    int
		byStatus map[client.Status]int
	}
}

func (t *tally) add(status client.Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.byStatus == nil {
		t.mu.byStatus = map[client.Status]int{}
	}
	t.mu.users++
	t.mu.byStatus[status]++
}

// line is the one plain line at the end.
func (t *tally) line(took time.Duration) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprintf("posted %d users in %s (%.0f/s): %d created, %d renewed, %d unchanged, %d expired",
		t.mu.users, took.Round(time.Millisecond), float64(t.mu.users)/took.Seconds(),
		t.mu.byStatus[client.Created], t.mu.byStatus[client.Renewed],
		t.mu.byStatus[client.Unchanged], t.mu.byStatus[client.Expired])
}
