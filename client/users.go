package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"
)

// UnixSeconds is an instant as the API writes it. 0 is none.
type UnixSeconds int64

// At returns the instant, cut to the second.
func At(t time.Time) UnixSeconds { return UnixSeconds(t.Unix()) }

// Time returns the instant in UTC.
func (s UnixSeconds) Time() time.Time { return time.Unix(int64(s), 0).UTC() }

// Membership is one user in one segment until its expiry.
type Membership struct {
	ID      string      `json:"ID"`                       // 1 to 128 bytes of UTF-8 without control characters
	Segment string      `json:"segment"`                  // the same
	Expiry  UnixSeconds `json:"expiredSegment,omitempty"` // at most 400 days ahead; 0: 14 days from now
}

// Status says what a write did.
type Status string

// The statuses.
const (
	Created   Status = "created"   // of Put: the membership is new
	Renewed   Status = "renewed"   // of Put: it was there, and now lasts longer
	Unchanged Status = "unchanged" // of Put: it was there, and lasts as long or longer
	Expired   Status = "expired"   // of Put: its expiry has passed; never counted
	Deleted   Status = "deleted"   // of Delete: the membership has ended
	Absent    Status = "absent"    // of Delete: there was none
	Erased    Status = "erased"    // of Erase
)

// Written is the reply to a write of one membership or user.
type Written struct {
	Status  Status  `json:"status"`
	Version Version `json:"-"` // for [AtLeast]
}

// User is a user with the memberships that have not expired.
type User struct {
	ID       string        `json:"ID"`
	Segments []UserSegment `json:"segments"`
}

// UserSegment is one membership, seen from its user.
type UserSegment struct {
	Title  string      `json:"title"`
	Expiry UnixSeconds `json:"expiredSegment"`
}

// Put records the membership, or renews it: the later expiry wins.
func (c *Client) Put(ctx context.Context, m Membership) (Written, error) {
	doing := fmt.Sprintf("put %q into %q", m.ID, m.Segment)
	body, err := m.encode()
	if err != nil {
		return Written{}, notSent(doing, err)
	}
	return c.write(ctx, request{
		doing: doing, method: http.MethodPost, path: "/users",
		contentType: "application/json", body: body, harmless: true,
	})
}

// User returns the user's memberships. It asks the shard that holds the user.
func (c *Client) User(ctx context.Context, id string, options ...ReadOption) (User, error) {
	var user User
	r := request{doing: fmt.Sprintf("read user %q", id), method: http.MethodGet, path: "/users/" + escape(id)}
	_, err := c.do(ctx, r.with(options), &user)
	return user, err
}

// Erase ends all memberships of the user and removes the user from PostgreSQL too.
func (c *Client) Erase(ctx context.Context, id string) (Written, error) {
	return c.write(ctx, request{
		doing: fmt.Sprintf("erase user %q", id), method: http.MethodDelete, path: "/users/" + escape(id),
	})
}

// Delete ends one membership before its expiry.
func (c *Client) Delete(ctx context.Context, id, segment string) (Written, error) {
	return c.write(ctx, request{
		doing:  fmt.Sprintf("delete %q from %q", id, segment),
		method: http.MethodDelete, path: "/users/" + escape(id) + "/segments/" + escape(segment),
	})
}

// write sends a write and reads its status and version.
func (c *Client) write(ctx context.Context, r request) (Written, error) {
	var written Written
	header, err := c.do(ctx, r, &written)
	if err != nil {
		return Written{}, err
	}
	written.Version, err = ParseVersion(header.Get(headerVersion))
	if err != nil {
		return Written{}, &failure{doing: r.doing, outcome: ErrUnknown, lastRound: []error{err}}
	}
	return written, nil
}

// encode gives the membership as the API reads it. encoding/json would put other
// characters for invalid UTF-8, and so name another user.
func (m Membership) encode() ([]byte, error) {
	if !utf8.ValidString(m.ID) || !utf8.ValidString(m.Segment) {
		return nil, fmt.Errorf("ID %q or segment %q is not valid UTF-8", m.ID, m.Segment)
	}
	return json.Marshal(m)
}

// escape makes one path segment of an ID or a title. The names "." and ".." are
// IDs like any other, but paths are often cleaned of them on the way.
func escape(name string) string {
	switch name {
	case ".":
		return "%2E"
	case "..":
		return "%2E%2E"
	}
	return url.PathEscape(name)
}
