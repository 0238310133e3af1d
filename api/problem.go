package api

import (
	"slices"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// problemKind is one kind of refusal: a URI that clients may compare, a title, and
// the HTTP status that goes with it.
type problemKind struct {
	name   string // completes urn:headcount:problem:
	title  string
	status int
}

const problemURN = "urn:headcount:problem:"

// The kinds of problem.
var (
	problemBadRequest     = problemKind{"bad-request", "The request is malformed", 400}
	problemNotFound       = problemKind{"not-found", "There is no such thing", 404}
	problemMethod         = problemKind{"method-not-allowed", "The path does not know the method", 405}
	problemTimeout        = problemKind{"request-timeout", "The request did not arrive in time", 408}
	problemRefused        = problemKind{"refused", "The cluster cannot do that now", 409}
	problemTooLarge       = problemKind{"body-too-large", "The body is too large", 413}
	problemMediaType      = problemKind{"unsupported-media-type", "The body is of a type this path does not read", 415}
	problemSegmentsFull   = problemKind{"segments-full", "There are as many segments as may be", 422}
	problemHeaderTooLarge = problemKind{"header-too-large", "The header is too large", 431}
	problemInternal       = problemKind{"internal", "There is a bug in this node", 500}
	problemNotApplied     = problemKind{"not-applied", "Not applied", 503}
	problemOutboxFull     = problemKind{"outbox-full", "Not applied: PostgreSQL is too far behind", 503}
	problemStale          = problemKind{"stale", "The node is not as fresh as asked", 503}
	problemBusy           = problemKind{"busy", "Not done: the node has too much to do", 503}
	problemUnknown        = problemKind{"outcome-unknown", "Outcome unknown", 504}
	problemPartly         = problemKind{"partly-applied", "Applied in part", 504}
)

// The details of problems that come without one.
const (
	detailNotApplied = "nothing of the request was applied: repeat it"
	detailUnknown    = "the request may have taken effect, or may yet: it is safe to repeat it"
	detailOutboxFull = "nothing of the request was applied, because PostgreSQL has not taken enough of what was before it: repeat it later"
	detailInternal   = "a write may have taken effect, and is safe to repeat; the node's log says more"
)

// retryAfterDefault is what a 503 asks for when nobody knows better.
const retryAfterDefault = time.Second

var (
	jsonType    = []byte("application/json")
	problemType = []byte("application/problem+json")
)

// reply answers with a ready-made JSON body, which nobody may change any more.
func (x *exchange) reply(status int, body []byte) {
	x.ctx.SetStatusCode(status)
	x.ctx.Response.Header.SetContentTypeBytes(jsonType)
	x.ctx.Response.SetBodyRaw(body)
}

// replyScratch answers with a body that was built in x.scratch.
func (x *exchange) replyScratch(status int) {
	x.ctx.SetStatusCode(status)
	x.ctx.Response.Header.SetContentTypeBytes(jsonType)
	x.ctx.Response.SetBody(x.scratch)
}

func (x *exchange) problem(kind problemKind, detail string) {
	x.problemWith(kind, detail, 0, nil)
}

// problemWith answers with a problem document. members are appended to it: each
// begins with a comma. retryAfter is 0 where the kind alone decides.
func (x *exchange) problemWith(kind problemKind, detail string, retryAfter time.Duration, members []byte) {
	writeProblem(x.ctx, kind, detail, retryAfter, members)
}

func writeProblem(ctx *fasthttp.RequestCtx, kind problemKind, detail string, retryAfter time.Duration, members []byte) {
	ctx.SetStatusCode(kind.status)
	ctx.Response.Header.SetContentTypeBytes(problemType)
	ctx.Response.SetBodyRaw(appendProblem(nil, kind, detail, members))
	if seconds := retrySeconds(kind, retryAfter); seconds > 0 {
		ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, strconv.FormatInt(seconds, 10))
	}
}

// appendProblem appends the document of a problem.
func appendProblem(dst []byte, kind problemKind, detail string, members []byte) []byte {
	dst = slices.Grow(dst, 256+len(detail)+len(members))
	dst = append(dst, `{"type":"`+problemURN...)
	dst = append(dst, kind.name...)
	dst = append(dst, `","title":"`...)
	dst = append(dst, kind.title...)
	dst = append(dst, `","status":`...)
	dst = strconv.AppendInt(dst, int64(kind.status), 10)
	dst = append(dst, `,"detail":`...)
	dst = appendText(dst, detail)
	dst = append(dst, members...)
	return append(dst, '}')
}

// retrySeconds is what Retry-After says, 0 for no such header.
func retrySeconds(kind problemKind, retryAfter time.Duration) int64 {
	if kind.status == fasthttp.StatusServiceUnavailable {
		retryAfter = max(retryAfter, retryAfterDefault)
	}
	return int64((retryAfter + time.Second - 1) / time.Second)
}

// failure answers with what the service said went wrong. otherwise is the problem
// for an error that is no [Failure].
func (x *exchange) failure(err error, otherwise problemKind) {
	kind, detail, retryAfter := x.server.problemOf(err, otherwise, x.route)
	x.problemWith(kind, detail, retryAfter, nil)
}

// problemOf is the problem that an error of the service is to a client of a route.
func (s *Server) problemOf(err error, otherwise problemKind, r *route) (kind problemKind, detail string, retryAfter time.Duration) {
	f, ok := asFailure(err)
	if !ok {
		s.logger.Error("the service failed in an unforeseen way", "route", r.pattern, "error", err)
		return otherwise, otherwise.defaultDetail(), 0
	}
	kind = f.Kind.problem()
	switch {
	case f.Detail == "":
		return kind, kind.defaultDetail(), f.RetryAfter
	case kind == problemUnknown:
		return kind, f.Detail + "; " + detailUnknown, f.RetryAfter
	}
	return kind, f.Detail, f.RetryAfter
}

func (k problemKind) defaultDetail() string {
	switch k {
	case problemNotApplied:
		return detailNotApplied
	case problemUnknown:
		return detailUnknown
	case problemOutboxFull:
		return detailOutboxFull
	case problemSegmentsFull:
		return reasonSegmentsFull
	case problemInternal:
		return detailInternal
	default:
		return k.title
	}
}
