package client

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Points is a segment over time, in rising order.
type Points struct {
	Title  string  `json:"title"`
	Points []Point `json:"points"`
}

// Point is what a segment counts at one instant.
type Point struct {
	At         UnixSeconds `json:"at"`
	UsersCount uint64      `json:"usersCount"`
}

// Overlap is how many users some segments have, and have in common.
type Overlap struct {
	Segments     []SegmentCount `json:"segments"`     // in the order asked for
	Intersection uint64         `json:"intersection"` // users who are in all of them
	Union        uint64         `json:"union"`        // users who are in any of them
}

// Until says how far a forecast goes. Without it: 14 days on.
func Until(s UnixSeconds) ReadOption { return instant("until", s) }

// Step says how far the points of a forecast are from each other: whole seconds.
// Without it: a day. A forecast has at most 1,000 points.
func Step(d time.Duration) ReadOption {
	return func(r *request) { r.query.Set("step", strconv.FormatFloat(d.Seconds(), 'f', -1, 64)) }
}

// From leaves the ticks before an instant out of a history.
func From(s UnixSeconds) ReadOption { return instant("from", s) }

// To leaves the ticks after an instant out of a history.
func To(s UnixSeconds) ReadOption { return instant("to", s) }

func instant(name string, s UnixSeconds) ReadOption {
	return func(r *request) { r.query.Set(name, strconv.FormatInt(int64(s), 10)) }
}

// CountsAt returns the counts of all segments as they will be at an instant from now
// on if nobody renews, largest first, ties by title.
func (c *Client) CountsAt(ctx context.Context, at UnixSeconds, options ...ReadOption) ([]SegmentCount, error) {
	var counts []SegmentCount
	r := request{doing: fmt.Sprintf("read all counts at %d", at), method: http.MethodGet, path: "/segments/count"}.with(options)
	instant("at", at)(&r)
	_, err := c.do(ctx, r, &counts)
	return counts, err
}

// Forecast returns how many of a segment's users are still in it at each step, if
// nobody renews. The first point is now. See [Until] and [Step].
func (c *Client) Forecast(ctx context.Context, title string, options ...ReadOption) (Points, error) {
	return c.points(ctx, "forecast", title, options)
}

// History returns what a segment counted at the ticks kept. See [From] and [To].
func (c *Client) History(ctx context.Context, title string, options ...ReadOption) (Points, error) {
	return c.points(ctx, "history", title, options)
}

func (c *Client) points(ctx context.Context, what, title string, options []ReadOption) (Points, error) {
	var points Points
	r := request{
		doing:  fmt.Sprintf("read the %s of %q", what, title),
		method: http.MethodGet, path: "/segments/" + escape(title) + "/" + what,
	}
	_, err := c.do(ctx, r.with(options), &points)
	return points, err
}

// Overlap counts the users of 2 to 8 distinct segments, together and each. It takes a
// node longer than other reads, and a node that counts others already is passed over.
func (c *Client) Overlap(ctx context.Context, titles []string, options ...ReadOption) (Overlap, error) {
	var overlap Overlap
	r := request{
		doing:  fmt.Sprintf("read the overlap of %q", titles),
		method: http.MethodGet, path: "/segments/overlap",
	}.with(options)
	r.query["titles"] = titles
	_, err := c.do(ctx, r, &overlap)
	return overlap, err
}
