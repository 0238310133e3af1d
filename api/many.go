package api

import (
	"fmt"
	"time"
)

// postMany puts the memberships of a bulk body.
func (x *exchange) postMany(next framer) {
	s := x.server
	if !s.takeBulkSlot() {
		x.problem(problemNotApplied, "too many bulk requests are being read at once: repeat it")
		return
	}
	defer func() { <-s.bulkSlots }()
	b := s.bulks.Get().(*bulk)
	b.reset(s.service, &x.body, x.body.declared)
	b.expiries = func() expiries {
		return expiriesAt(s.service.Now(), s.options.DefaultLifetime, s.options.LifetimeMax)
	}
	b.beforeChunk = func() {
		// Committing the chunk before took time that the client is not to blame
		// for. Without a connection there is no deadline, and nothing to set.
		_ = x.ctx.SetReadDeadline(time.Now().Add(s.options.ReadTimeout))
	}
	b.run(next)
	x.replyTally(&b.tally)
	// Only a bulk that did not panic is used again.
	b.service, b.window.source, b.expiries, b.beforeChunk = nil, nil, nil, nil
	s.bulks.Put(b)
}

// takeBulkSlot waits for its turn, and gives up after a while.
func (s *Server) takeBulkSlot() bool {
	select {
	case s.bulkSlots <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(bulkWaitMax)
	defer timer.Stop()
	select {
	case s.bulkSlots <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}

func (x *exchange) replyTally(t *tally) {
	if len(t.version) > 0 {
		x.scratch = t.version.append(x.scratch[:0])
		x.ctx.Response.Header.SetCanonical(headerVersion, x.scratch)
	}
	if !t.stopped() {
		x.scratch = t.appendCounts(append(x.scratch[:0], '{'))
		x.scratch = append(x.scratch, '}')
		x.replyScratch(200)
		return
	}
	if t.odd != nil {
		x.server.logger.Error("the service failed in an unforeseen way", "route", x.route.pattern, "error", t.odd)
	}
	kind, detail := t.problem()
	retryAfter := Failure{}.RetryAfter
	if t.failure != nil {
		retryAfter = t.failure.RetryAfter
	}
	members := t.appendShortfall(t.appendCounts([]byte{','}))
	x.problemWith(kind, detail, retryAfter, members)
}

// problem says which problem a body that was not read to its end is.
func (t *tally) problem() (problemKind, string) {
	switch {
	case t.incomplete() > 0:
		return t.shortfall()
	case t.odd != nil:
		return problemUnknown, "the last records read may have been applied, or may yet be: it is safe to send the whole body again"
	case t.broken != nil:
		kind, detail := bodyProblem(t.broken)
		return kind, fmt.Sprintf("%s; of the %d records before, %d were applied, and it is safe to send them again", detail, t.number, t.applied())
	default:
		return problemBadRequest, fmt.Sprintf("record %d: %s; of the %d records before, %d were applied, and it is safe to send them again",
			t.number+1, t.fault.text(), t.number, t.applied())
	}
}

// shortfall says what kind of problem it is that some records were not applied, or
// may not have been. 503 promises that nothing was: so it takes a body of which
// nothing was.
func (t *tally) shortfall() (problemKind, string) {
	kind, cause := problemNotApplied, ""
	switch {
	case t.unknown() > 0:
		kind = problemUnknown
	case t.applied() > 0:
		kind = problemPartly
	case t.counts[OutboxFull] > 0:
		kind = problemOutboxFull
	}
	if t.failure != nil && t.failure.Detail != "" {
		cause = t.failure.Detail + "; "
	}
	return kind, fmt.Sprintf("%sof the first %d records, %d were applied, %d were not, and of %d it is not known; the rest was not read: it is safe to send the whole body again",
		cause, t.number, t.applied(), t.notApplied(), t.unknown())
}
