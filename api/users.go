package api

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// headerVersion is in the form that fasthttp keeps header names in.
var headerVersion = []byte("Headcount-Version")

// writeReply is the reply to a write that was done.
type writeReply struct {
	status int
	body   []byte
}

// writeReplies are by [Outcome]; those that are missing are problems.
var writeReplies = [Unknown + 1]writeReply{
	Created:   {201, []byte(`{"status":"created"}`)},
	Renewed:   {200, []byte(`{"status":"renewed"}`)},
	Unchanged: {200, []byte(`{"status":"unchanged"}`)},
	Expired:   {200, []byte(`{"status":"expired"}`)},
	Deleted:   {200, []byte(`{"status":"deleted"}`)},
	Absent:    {200, []byte(`{"status":"absent"}`)},
	Erased:    {200, []byte(`{"status":"erased"}`)},
}

// postUsers puts one membership, or many.
func (x *exchange) postUsers() {
	media, ok := x.openBody(x.server.options.BulkBodyBytesMax, mediaJSON|mediaNDJSON)
	if !ok {
		return
	}
	if media == mediaNDJSON {
		x.postMany(&lines{})
		return
	}
	first, err := x.firstByte()
	switch {
	case err != nil:
		x.problem(bodyProblem(err))
	case first == '[':
		x.body.again = x.text
		x.postMany(&array{})
	default:
		x.postOne()
	}
}

// firstByte reads until the first byte of the body that is no space, and returns it:
// 0 for a body without one. What it read is in x.text.
func (x *exchange) firstByte() (byte, error) {
	for {
		var err error
		x.text, err = x.body.readSome(x.text)
		if rest := bytes.TrimLeft(x.text, " \t\r\n"); len(rest) > 0 {
			return rest[0], nil
		}
		switch {
		case err == io.EOF:
			return 0, nil
		case err != nil:
			return 0, err
		case len(x.text) > x.server.options.BodyBytesMax:
			return 0, errBodyTooLarge
		}
	}
}

// postOne puts one membership. It is the hot path: it allocates nothing.
func (x *exchange) postOne() {
	x.body.limit = x.server.options.BodyBytesMax
	if !x.readText() {
		return
	}
	r, f := decodeRecord(x.text)
	if f.found() {
		x.problem(problemBadRequest, f.text())
		return
	}
	o := &x.server.options
	w, f := expiriesAt(x.server.service.Now(), o.DefaultLifetime, o.LifetimeMax).put(r)
	if f.found() {
		x.problem(problemBadRequest, f.text())
		return
	}
	x.write(w)
}

// readText brings the rest of the body into x.text, or refuses the request.
func (x *exchange) readText() bool {
	var err error
	if x.body.tooLarge() || x.body.read > x.body.limit {
		err = errBodyTooLarge
	} else if x.body.read < x.body.declared || x.body.declared < 0 {
		x.text, err = x.body.readAll(x.text)
	}
	if err != nil {
		x.problem(bodyProblem(err))
		return false
	}
	return true
}

// write has the service do the write, and answers.
func (x *exchange) write(w Write) {
	outcome, index, err := x.server.service.Write(w)
	if index.Index > 0 {
		x.scratch = index.append(x.scratch[:0])
		x.ctx.Response.Header.SetCanonical(headerVersion, x.scratch)
	}
	if err == nil && outcome >= Created && outcome < SegmentsFull {
		reply := writeReplies[outcome]
		x.reply(reply.status, reply.body)
		return
	}
	x.refusedWrite(outcome, err)
}

// refusedWrite answers for a write that was not done, or that nobody knows of.
func (x *exchange) refusedWrite(outcome Outcome, err error) {
	kind, detail, retryAfter := x.server.writeProblem(outcome, err)
	x.problemWith(kind, detail, retryAfter, nil)
}

// writeProblem says what the problem is with a write that was not done, or that
// nobody knows of.
func (s *Server) writeProblem(outcome Outcome, err error) (kind problemKind, detail string, retryAfter time.Duration) {
	f, ok := asFailure(err)
	kind = problemUnknown
	switch outcome {
	case SegmentsFull:
		kind = problemSegmentsFull
	case OutboxFull:
		kind = problemOutboxFull
	case NotApplied:
		kind = problemNotApplied
	case Unknown:
	default:
		switch {
		case ok:
			kind = f.Kind.problem()
		case err != nil:
			s.logger.Error("the service failed in an unforeseen way", "route", s.routes.write.pattern, "error", err)
		default:
			s.logger.Error("the service returned no outcome for a write", "outcome", outcome)
		}
	}
	if !ok {
		return kind, kind.defaultDetail(), 0
	}
	if f.Detail != "" {
		return kind, f.Detail, f.RetryAfter
	}
	return kind, kind.defaultDetail(), f.RetryAfter
}

func (x *exchange) getUser() {
	id, ok := x.name(0, "user ID")
	if !ok {
		return
	}
	memberships, err := x.server.service.User(x.read, id)
	if err != nil {
		x.failure(err, problemInternal)
		return
	}
	slices.SortFunc(memberships, func(a, b Membership) int { return strings.Compare(a.Title, b.Title) })
	reply := append(x.scratch[:0], `{"ID":`...)
	reply = appendText(reply, string(id))
	reply = append(reply, `,"segments":[`...)
	for i, m := range memberships {
		if i > 0 {
			reply = append(reply, ',')
		}
		reply = append(reply, `{"title":`...)
		reply = appendText(reply, m.Title)
		reply = append(reply, `,"expiredSegment":`...)
		reply = strconv.AppendInt(reply, m.Expiry, 10)
		reply = append(reply, '}')
	}
	x.scratch = append(reply, `]}`...)
	x.replyScratch(200)
}

func (x *exchange) deleteUser() {
	if id, ok := x.name(0, "user ID"); ok {
		x.write(Write{Op: OpErase, ID: id})
	}
}

func (x *exchange) deleteMembership() {
	id, ok := x.name(0, "user ID")
	if !ok {
		return
	}
	if segment, ok := x.name(1, "segment"); ok {
		x.write(Write{Op: OpDelete, ID: id, Segment: segment})
	}
}
