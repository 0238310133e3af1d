package node

import (
	"errors"
	"fmt"
	"time"
)

// NotApplied is the failure of a write that had no effect and never will have.
type NotApplied struct {
	Reason     string
	RetryAfter time.Duration
	OutboxFull bool // PostgreSQL is too far behind
}

func (e *NotApplied) Error() string { return "not applied: " + e.Reason }

// Unknown is the failure of a write that may or may not have had its effect.
// Repeating it is safe: it cannot count twice.
type Unknown struct{ Reason string }

func (e *Unknown) Error() string { return "outcome unknown, safe to repeat: " + e.Reason }

// Behind is the failure of a read that asked for more than this node could learn
// in time.
type Behind struct{ Reason string }

func (e *Behind) Error() string { return e.Reason }

// Invalid is the failure of a request that can never succeed here.
type Invalid struct{ Reason string }

func (e *Invalid) Error() string { return e.Reason }

// Refused is the failure of a join or leave that would be wrong. Nothing changed.
type Refused struct{ Reason string }

func (e *Refused) Error() string { return e.Reason }

func refused(format string, args ...any) error { return &Refused{fmt.Sprintf(format, args...)} }

// NotFound is the failure of a request about something that there is not.
type NotFound struct{ Reason string }

func (e *NotFound) Error() string { return e.Reason }

// Busy is the failure of a read that this node has no room for now. Another node may.
type Busy struct {
	Reason     string
	RetryAfter time.Duration
}

func (e *Busy) Error() string { return e.Reason }

// errNotProposed says of an attempt at a batch that it never entered the log and
// never will. Any other error of an attempt leaves that open.
var errNotProposed = errors.New("not proposed")

func notProposed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errNotProposed}, args...)...)
}
