package api

import (
	"errors"
	"time"
)

// Failure is what a [Service] returns when it could not do what was asked.
type Failure struct {
	Kind       FailureKind
	RetryAfter time.Duration // when to try again; 0: a second
	Detail     string        // says what to change or to wait for; shown to the client
}

// FailureKind says what a client may conclude, and so which status it gets.
type FailureKind uint8

// The kinds.
const (
	NotAppliedFailure FailureKind = iota + 1 // 503: nothing took effect, and nothing will
	UnknownFailure                           // 504: it may have taken effect; safe to repeat
	StaleFailure                             // 503: the node could not get as fresh as asked in time
	Refused                                  // 409: the cluster's state does not allow it
	NotFoundFailure                          // 404
	BadRequest                               // 400
	BusyFailure                              // 503: a read that the node has no room for now
)

func (f *Failure) Error() string {
	kind := f.Kind.problem()
	if f.Detail == "" {
		return kind.title
	}
	return kind.title + ": " + f.Detail
}

func (k FailureKind) problem() problemKind {
	switch k {
	case NotAppliedFailure:
		return problemNotApplied
	case UnknownFailure:
		return problemUnknown
	case StaleFailure:
		return problemStale
	case Refused:
		return problemRefused
	case NotFoundFailure:
		return problemNotFound
	case BadRequest:
		return problemBadRequest
	case BusyFailure:
		return problemBusy
	default:
		return problemInternal
	}
}

// asFailure finds the Failure in err. Every other error is a bug of the service.
func asFailure(err error) (*Failure, bool) {
	var f *Failure
	ok := errors.As(err, &f)
	return f, ok && f != nil
}
