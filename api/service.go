package api

import (
	"context"
	"io"
	"time"
)

// Service is what the API serves: a running node. Every method may be called from
// many goroutines at once and must return in bounded time. Errors should be
// [*Failure]; any other is a bug, logged and answered with 500, or with 504 where it
// leaves the outcome of a write unknown.
type Service interface {
	// Write waits until the write is committed and applied, or its outcome is
	// known to be otherwise. The index is of the entry that holds it.
	//
	// [NotApplied], [OutboxFull] and [Unknown] may come with a *Failure, whose
	// Detail and RetryAfter are then used, or with no error.
	Write(w Write) (Outcome, ShardIndex, error)

	// WriteAll does the same for many, at most [ChunkRecordsMax]. It sets every
	// element of outcomes, which is as long as ws. The error is non-nil only when
	// some are NotApplied, Unknown or OutboxFull, and describes the first.
	WriteAll(ws []Write, outcomes []Outcome) (Version, error)

	// Counts returns all segments. The result is shared: nobody may change it.
	Counts(r Read) (Counts, error)

	// CountsAt returns all segments as they will be at an instant if nobody
	// renews. One before now reads as now.
	CountsAt(r Read, at int64) (Counts, error)

	// Forecast returns the users of one segment who will still be in it now, and
	// every step seconds from now on up to until, if nobody renews. It has at
	// least the point of now, and no more than the exchange has allowed for.
	Forecast(r Read, title []byte, until, step int64) ([]Point, error)

	// History returns the users that one segment had at the ticks kept in
	// [from, to], oldest first.
	History(r Read, title []byte, from, to int64) ([]Point, error)

	// Overlap counts the users of 2 to 8 distinct segments, together and each, and
	// gives up when ctx ends. The titles are borrowed for the call.
	Overlap(ctx context.Context, r Read, titles [][]byte) (Overlap, error)

	// Count returns the users of one segment: 0 for one that nobody is in.
	Count(r Read, title []byte) (uint64, error)

	// User returns the memberships of one user that have not expired, in any
	// order: none for a user that is not known. The slice is the caller's.
	User(r Read, id []byte) ([]Membership, error)

	// Cluster returns a value that encoding/json can marshal.
	Cluster() any

	// Join returns when the node is registered, Leave when it is removed.
	Join(id, address string) error
	Leave(id string) error

	Ready() Readiness

	// WriteMetrics appends metrics in the Prometheus text format.
	WriteMetrics(w io.Writer)

	// Now is the clock against which expiries are judged.
	Now() time.Time
}

// Op says what a [Write] asks for.
type Op uint8

// The ops.
const (
	OpPut    Op = iota + 1 // hold the membership until Expiry, or later if it already is
	OpDelete               // end one membership
	OpErase                // end every membership of the user
)

// Write is one requested change. ID and Segment are borrowed for the call: a service
// that keeps them copies them.
type Write struct {
	Op      Op
	ID      []byte // 1 to 128 bytes of UTF-8 without control characters
	Segment []byte // the same; empty for an erase
	Expiry  int64  // Unix seconds, >= 0; puts only
}

// Outcome is what became of a [Write].
type Outcome uint8

// The outcomes.
const (
	Created      Outcome = iota + 1
	Renewed              // held until later than before
	Unchanged            // was held as long already
	Expired              // its expiry has passed: recorded, never counted
	Deleted              //
	Absent               // nothing to delete
	Erased               //
	SegmentsFull         // refused: the segment would be one more than cluster.segments_max
	OutboxFull           // not applied: PostgreSQL is too far behind
	NotApplied           // no leader, a full queue: not applied, safe to repeat
	Unknown              // outcome unknown, safe to repeat
)

// Read says how fresh the answer of a read must be. The zero value is a local read.
type Read struct {
	Linearizable bool
	MinVersion   Version // borrowed for the call; wait, bounded, until the node has it
}

// Counts is every segment with its number of users, largest first, ties by title.
type Counts struct {
	Body     []byte // the same as a JSON array, ready to send
	Segments []SegmentCount
}

// SegmentCount is one segment.
type SegmentCount struct {
	Title      string `json:"title"`
	UsersCount uint64 `json:"usersCount"`
}

// Point is what a segment counts at one instant.
type Point struct {
	At         int64 // Unix seconds
	UsersCount uint64
}

// Overlap is how many users some segments have, and have in common.
type Overlap struct {
	Segments     []uint64 // in the order of the titles
	Intersection uint64   // users who are in all of them
	Union        uint64   // users who are in any of them
}

// Membership is one segment of a user.
type Membership struct {
	Title  string
	Expiry int64 // Unix seconds
}

// Readiness says whether the node can serve, and why not.
type Readiness struct {
	Ready    bool
	Reasons  []string // why not; empty when ready
	Warnings []string // what an operator should look at all the same
}
