package client

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The outcomes of a write that returned an error. Match them with [errors.Is].
var (
	// ErrNotApplied: nothing of the write took effect, and nothing will.
	ErrNotApplied = errors.New("not applied")

	// ErrUnknown: the write may have taken effect, or may yet. It is safe to repeat.
	ErrUnknown = errors.New("outcome unknown, safe to repeat")
)

// Problem is a node's own account of why it did not do what was asked.
type Problem struct {
	Status     int           // the HTTP status
	Detail     string        // says what to change; one line
	RetryAfter time.Duration // 0 where the node named no time
}

// Error gives the status and the detail in one line.
func (p *Problem) Error() string {
	text := fmt.Sprintf("%d %s", p.Status, http.StatusText(p.Status))
	if p.Detail == "" {
		return text
	}
	return text + ": " + p.Detail
}

// transportError is an attempt that ended without a reply.
type transportError struct {
	sent bool // a connection was had, so a part of the request may have left
	err  error
}

func (e *transportError) Error() string { return e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }

// outcomeOf says what one failed attempt at the write means for its outcome.
func outcomeOf(r request, err error) error {
	var lost *transportError
	if errors.As(err, &lost) && !lost.sent {
		return ErrNotApplied
	}
	var problem *Problem
	switch {
	case !errors.As(err, &problem):
		return ErrUnknown
	case problem.Status == http.StatusServiceUnavailable:
		return ErrNotApplied
	case problem.Status < 500 && !r.bulk:
		return ErrNotApplied
	default:
		return ErrUnknown
	}
}

// passing reports whether the same request may fare better later or elsewhere.
func passing(err error) bool {
	var problem *Problem
	if errors.As(err, &problem) {
		return problem.Status == http.StatusServiceUnavailable || problem.Status == http.StatusGatewayTimeout
	}
	var lost *transportError
	return errors.As(err, &lost)
}

// failure is why a request failed, all its attempts considered.
type failure struct {
	doing     string
	outcome   error   // nil for a read
	lastRound []error // one for each URL asked, in that order
}

// notSent is the failure of a write that did not leave this process.
func notSent(doing string, err error) error {
	return &failure{doing: doing, outcome: ErrNotApplied, lastRound: []error{err}}
}

func (f *failure) Error() string {
	var text strings.Builder
	text.WriteString(f.doing)
	if f.outcome != nil {
		text.WriteString(": " + f.outcome.Error())
	}
	for i, err := range f.lastRound {
		separator := "; "
		if i == 0 {
			separator = ": "
		}
		text.WriteString(separator + err.Error())
	}
	return text.String()
}

// Unwrap lists the outcome, then the attempts from the last to the first, so that
// the [*Problem] found is the latest.
func (f *failure) Unwrap() []error {
	errs := slices.Clone(f.lastRound)
	slices.Reverse(errs)
	if f.outcome != nil {
		errs = slices.Insert(errs, 0, f.outcome)
	}
	return errs
}
