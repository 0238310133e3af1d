package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// SegmentCount is how many distinct users are in a segment and have not expired.
type SegmentCount struct {
	Title      string `json:"title"`
	UsersCount uint64 `json:"usersCount"`
}

// ReadOption says how fresh or how long a read's answer shall be.
type ReadOption func(*request)

// Linearizable asks for an answer that includes every write acknowledged before
// the read began, by whichever client. It costs a round trip between the nodes.
func Linearizable() ReadOption {
	return func(r *request) { r.query.Set("consistency", "linearizable") }
}

// AtLeast asks for an answer that includes the writes that returned the version.
// The node waits for them, for a bounded time, then says 503 or 504.
func AtLeast(v Version) ReadOption {
	return func(r *request) { r.minVersion = v.String() }
}

// Limit asks for the n largest segments only.
func Limit(n int) ReadOption {
	return func(r *request) { r.query.Set("limit", strconv.Itoa(n)) }
}

// with returns the read under the options.
func (r request) with(options []ReadOption) request {
	r.query = url.Values{}
	for _, option := range options {
		option(&r)
	}
	return r
}

// Counts returns the counts of all segments, largest first, ties by title. Without
// options it is answered from the memory of the node asked.
func (c *Client) Counts(ctx context.Context, options ...ReadOption) ([]SegmentCount, error) {
	var counts []SegmentCount
	r := request{doing: "read all counts", method: http.MethodGet, path: "/segments/count"}
	_, err := c.do(ctx, r.with(options), &counts)
	return counts, err
}

// Count returns the count of one segment, 0 when nobody is in it.
func (c *Client) Count(ctx context.Context, title string, options ...ReadOption) (uint64, error) {
	var count SegmentCount
	r := request{
		doing:  fmt.Sprintf("read the count of %q", title),
		method: http.MethodGet, path: "/segments/" + escape(title) + "/count",
	}
	_, err := c.do(ctx, r.with(options), &count)
	return count.UsersCount, err
}
