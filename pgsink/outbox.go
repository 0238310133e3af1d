package pgsink

import (
	"context"
	"errors"
	"math"
	"unicode/utf8"
)

// Op says what a row does.
type Op uint8

// The ops.
const (
	OpPut    Op = iota + 1 // the membership is held until Expiry, or longer if it already is
	OpDelete               // the membership (ID, Segment) ends
	OpErase                // every membership of the ID ends
)

func (op Op) String() string {
	switch op {
	case OpPut:
		return "put"
	case OpDelete:
		return "delete"
	case OpErase:
		return "erase"
	}
	return "unknown"
}

// Row is one change.
type Row struct {
	Op      Op
	ID      string
	Segment string // empty for OpErase
	Expiry  int64  // Unix seconds; OpPut only
}

// Batch is a run of whole log entries, in log order.
type Batch struct {
	Rows  []Row
	Index uint64 // the shard index of the last entry
}

// Outbox is a shard leader's view of its outbox. Run calls Next from one goroutine at a
// time and Ack from another, the rest from any.
type Outbox interface {
	// Next blocks until there are entries after index after, or ctx ends. It returns
	// whole entries, at least one, and stops before rowsMax is exceeded unless a single
	// entry is larger.
	Next(ctx context.Context, after uint64, rowsMax int) (Batch, error)

	// Acked is the replicated acknowledgement: everything up to it is in PostgreSQL and
	// may have left the outbox. It never decreases.
	Acked() uint64

	// Begin is where the shard's log ended when this leadership began: no batch that a leader
	// before it had went further. It fails once another node leads, so a nil error shows that
	// no later leader has done anything yet. It takes a round trip to a majority of the
	// shard's nodes.
	Begin(ctx context.Context) (uint64, error)

	// Dropped is up to where entries have left the outbox; all later ones are there. It is at
	// most Acked and never decreases.
	Dropped() uint64

	// Ack replicates the acknowledgement of everything up to index: one Raft entry. After
	// an error the outcome is unknown; repeating is harmless.
	Ack(ctx context.Context, index uint64) error
}

// Stream names what a cursor belongs to: one shard of one life of a cluster.
type Stream struct {
	Incarnation string
	Shard       uint32
}

func (st Stream) check() error {
	if st.Incarnation == "" || !utf8.ValidString(st.Incarnation) {
		return errors.New("the cluster incarnation is empty or not UTF-8")
	}
	if st.Shard > math.MaxInt32 {
		return errors.New("the shard number does not fit PostgreSQL's integer")
	}
	return nil
}
