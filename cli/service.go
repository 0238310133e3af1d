package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"headcount/api"
	"headcount/fsm"
	"headcount/node"
	"headcount/pgsink"
)

// service gives the api package a node. It translates, and decides nothing.
type service struct {
	node *node.Node
	sink *pgsink.Sink // nil: users are not copied

	// counts is the last view translated: a view is asked for far more often than
	// it changes.
	counts atomic.Pointer[translatedCounts]
}

type translatedCounts struct {
	of     *node.CountsView
	counts api.Counts
}

var _ api.Service = (*service)(nil)

func record(w api.Write) fsm.Record {
	r := fsm.Record{ID: w.ID, Segment: w.Segment, Expiry: w.Expiry}
	switch w.Op {
	case api.OpPut:
		r.Op = fsm.OpPut
	case api.OpDelete:
		r.Op = fsm.OpDelete
	default:
		r.Op = fsm.OpErase
	}
	return r
}

// outcomes translates what became of a record.
var outcomes = [...]api.Outcome{
	fsm.Created:            api.Created,
	fsm.Renewed:            api.Renewed,
	fsm.Unchanged:          api.Unchanged,
	fsm.Expired:            api.Expired,
	fsm.Deleted:            api.Deleted,
	fsm.Absent:             api.Absent,
	fsm.Erased:             api.Erased,
	fsm.SegmentsFull:       api.SegmentsFull,
	fsm.OutOfRange:         api.NotApplied, // the api has checked: it cannot be
	node.OutcomeNotApplied: api.NotApplied,
	node.OutcomeUnknown:    api.Unknown,
	node.OutcomeOutboxFull: api.OutboxFull,
}

// Write implements [api.Service].
func (s *service) Write(w api.Write) (api.Outcome, api.ShardIndex, error) {
	status, at, err := s.node.Write(record(w))
	if err != nil {
		return outcomes[node.FailureOutcome(err)], api.ShardIndex{}, failure(err)
	}
	return outcomes[status], api.ShardIndex(at), nil
}

// WriteAll implements [api.Service].
func (s *service) WriteAll(ws []api.Write, became []api.Outcome) (api.Version, error) {
	records := make([]fsm.Record, len(ws))
	for i, w := range ws {
		records[i] = record(w)
	}
	results := make([]node.Outcome, len(ws))
	indexes, err := s.node.WriteAll(records, results)
	for i, r := range results {
		became[i] = outcomes[r]
	}
	var version api.Version
	for _, i := range indexes {
		version = append(version, api.ShardIndex(i))
	}
	if err != nil {
		return version, failure(err)
	}
	return version, nil
}

// Counts implements [api.Service].
func (s *service) Counts(r api.Read) (api.Counts, error) {
	view, err := s.node.Counts(read(r))
	if err != nil {
		return api.Counts{}, failure(err)
	}
	if t := s.counts.Load(); t != nil && t.of == view {
		return t.counts, nil
	}
	t := &translatedCounts{of: view, counts: counts(view)}
	s.counts.Store(t)
	return t.counts, nil
}

// CountsAt implements [api.Service].
func (s *service) CountsAt(r api.Read, at int64) (api.Counts, error) {
	view, err := s.node.CountsAt(read(r), at)
	if err != nil {
		return api.Counts{}, failure(err)
	}
	return counts(view), nil
}

func counts(view *node.CountsView) api.Counts {
	counts := api.Counts{Body: view.Body, Segments: make([]api.SegmentCount, len(view.Segments))}
	for i, c := range view.Segments {
		counts.Segments[i] = api.SegmentCount{Title: c.Title, UsersCount: uint64(c.UsersCount)}
	}
	return counts
}

// Forecast implements [api.Service].
func (s *service) Forecast(r api.Read, title []byte, until, step int64) ([]api.Point, error) {
	return points(s.node.Forecast(read(r), title, until, step))
}

// History implements [api.Service].
func (s *service) History(r api.Read, title []byte, from, to int64) ([]api.Point, error) {
	return points(s.node.History(read(r), title, from, to))
}

func points(counted []node.Point, err error) ([]api.Point, error) {
	if err != nil {
		return nil, failure(err)
	}
	points := make([]api.Point, len(counted))
	for i, p := range counted {
		points[i] = api.Point{At: p.At, UsersCount: uint64(p.UsersCount)}
	}
	return points, nil
}

// Overlap implements [api.Service].
func (s *service) Overlap(ctx context.Context, r api.Read, titles [][]byte) (api.Overlap, error) {
	names := make([]string, len(titles))
	for i, title := range titles {
		names[i] = string(title)
	}
	o, err := s.node.Overlap(ctx, read(r), names)
	if err != nil {
		return api.Overlap{}, failure(err)
	}
	overlap := api.Overlap{Intersection: uint64(o.Intersection), Union: uint64(o.Union)}
	for _, c := range o.Segments {
		overlap.Segments = append(overlap.Segments, uint64(c.UsersCount))
	}
	return overlap, nil
}

// Count implements [api.Service].
func (s *service) Count(r api.Read, title []byte) (uint64, error) {
	n, err := s.node.Count(read(r), title)
	if err != nil {
		return 0, failure(err)
	}
	return uint64(n), nil
}

// User implements [api.Service].
func (s *service) User(r api.Read, id []byte) ([]api.Membership, error) {
	held, err := s.node.User(read(r), id)
	if err != nil {
		return nil, failure(err)
	}
	memberships := make([]api.Membership, len(held))
	for i, m := range held {
		memberships[i] = api.Membership{Title: m.Segment, Expiry: m.Expiry}
	}
	return memberships, nil
}

func read(r api.Read) node.Read {
	out := node.Read{Linearizable: r.Linearizable}
	for _, v := range r.MinVersion {
		out.Min = append(out.Min, node.ShardIndex(v))
	}
	return out
}

// postgresStatus is what /cluster shows of PostgreSQL.
type postgresStatus struct {
	Configured bool `json:"configured"`
	*pgsink.Status
}

// Cluster implements [api.Service].
func (s *service) Cluster() any {
	status := s.node.Status()
	postgres := postgresStatus{}
	if s.sink != nil {
		now := s.sink.Status()
		postgres = postgresStatus{true, &now}
	}
	status.Postgres = postgres
	return status
}

// Join implements [api.Service].
func (s *service) Join(id, address string) error { return failureOrNil(s.node.Join(id, address)) }

// Leave implements [api.Service].
func (s *service) Leave(id string) error { return failureOrNil(s.node.Leave(id)) }

// Ready implements [api.Service].
func (s *service) Ready() api.Readiness {
	ready, reasons := s.node.Ready()
	r := api.Readiness{Ready: ready, Reasons: reasons}
	if s.sink == nil {
		r.Warnings = append(r.Warnings, "users are not copied to PostgreSQL: none is configured")
	} else if p := s.sink.Status(); !p.Reachable && p.LastError != "" {
		r.Warnings = append(r.Warnings, fmt.Sprintf("PostgreSQL does not take users now, they wait in the outbox: %s", p.LastError))
	}
	return r
}

// WriteMetrics implements [api.Service].
func (s *service) WriteMetrics(w io.Writer) {
	s.node.WriteMetrics(w)
	if s.sink != nil {
		s.sink.WriteMetrics(w)
	}
}

// Now implements [api.Service].
func (s *service) Now() time.Time { return time.Now() }

// failure translates an error of the node.
func failure(err error) *api.Failure {
	var notApplied *node.NotApplied
	var unknown *node.Unknown
	var behind *node.Behind
	var invalid *node.Invalid
	var refused *node.Refused
	var notFound *node.NotFound
	var busy *node.Busy
	switch {
	case errors.As(err, &notApplied):
		return &api.Failure{Kind: api.NotAppliedFailure, RetryAfter: notApplied.RetryAfter, Detail: notApplied.Reason}
	case errors.As(err, &unknown):
		return &api.Failure{Kind: api.UnknownFailure, Detail: unknown.Reason}
	case errors.As(err, &invalid):
		return &api.Failure{Kind: api.BadRequest, Detail: invalid.Reason}
	case errors.As(err, &refused):
		return &api.Failure{Kind: api.Refused, Detail: refused.Reason}
	case errors.As(err, &notFound):
		return &api.Failure{Kind: api.NotFoundFailure, Detail: notFound.Reason}
	case errors.As(err, &busy):
		return &api.Failure{Kind: api.BusyFailure, RetryAfter: busy.RetryAfter, Detail: busy.Reason}
	case errors.As(err, &behind):
		return &api.Failure{Kind: api.StaleFailure, RetryAfter: time.Second, Detail: behind.Reason}
	default:
		return &api.Failure{Kind: api.NotAppliedFailure, RetryAfter: time.Second, Detail: err.Error()}
	}
}

func failureOrNil(err error) error {
	if err == nil {
		return nil
	}
	return failure(err)
}
