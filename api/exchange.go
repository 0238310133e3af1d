package api

import (
	"net/http"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"
)

// exchange is one request and its reply, with the memory that serving it takes. It
// is reused for later requests, so nothing of it may outlive the handler.
type exchange struct {
	server *Server
	ctx    *fasthttp.RequestCtx
	target
	body body

	read    Read
	asked   asked
	version Version // what read.MinVersion aliases

	text    []byte // the body of a request with one record
	names   []byte // unescaped names of the path and the query
	scratch []byte // the reply
}

// scratchKeptMax bounds each buffer, in bytes, that waits for the next request.
const scratchKeptMax = 64 << 10

type exchangeKey struct{}

// serve answers one request. It is the whole of what fasthttp calls: metrics and
// panic recovery around the middleware around the route.
func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	started := time.Now()
	s.metrics.inFlight.Add(1)
	x := s.exchanges.Get().(*exchange)
	x.ctx = ctx
	x.target = s.routes.find(ctx.Method(), ctx.Request.Header.RequestURI())
	ctx.SetUserValue(exchangeKey{}, x)
	defer s.finish(x, started)
	s.chain(ctx)
}

// dispatch is the innermost handler: it runs the route that [Server.serve] found.
func (s *Server) dispatch(ctx *fasthttp.RequestCtx) {
	x := ctx.UserValue(exchangeKey{}).(*exchange)
	if !x.route.body && !x.refuseBody() {
		return
	}
	if !x.parseQuery() {
		return
	}
	x.route.serve(x)
}

// refuseBody refuses a body that the route would ignore: a DELETE whose body says
// what to delete must not delete more than that.
func (x *exchange) refuseBody() bool {
	length := x.ctx.Request.Header.ContentLength()
	if length > 0 || length == -1 {
		x.problem(problemBadRequest, "this request takes no body: leave it out")
		return false
	}
	return true
}

// finish ends a request, whether its handler returned or panicked. It must be
// deferred directly.
func (s *Server) finish(x *exchange, started time.Time) {
	cause := recover()
	ctx := x.ctx
	if cause != nil {
		s.metrics.panics.Inc()
		s.logger.Error("a handler panicked",
			"method", string(ctx.Method()), "route", x.route.pattern, "panic", cause, "stack", string(debug.Stack()))
		ctx.Response.Reset()
		writeProblem(ctx, problemInternal, detailInternal, 0, nil)
		// How much of the body was read is not known.
		ctx.SetConnectionClose()
	}
	status := ctx.Response.StatusCode()
	hasBody := ctx.Request.Header.ContentLength() > 0 || ctx.Request.Header.ContentLength() == -1
	if hasBody && status >= http.StatusBadRequest && status != http.StatusRequestTimeout {
		lingerOn(ctx)
	}
	s.metrics.observe(x.route, status, time.Since(started))
	s.metrics.inFlight.Add(-1)
	ctx.RemoveUserValue(exchangeKey{})
	if cause == nil {
		// After a panic, somebody may still hold a part of it.
		s.release(x)
	}
}

func (s *Server) release(x *exchange) {
	x.ctx, x.target = nil, target{}
	x.body.close()
	x.read, x.asked = Read{}, asked{titles: x.asked.titles[:0]}
	for _, buffer := range [...]*[]byte{&x.text, &x.names, &x.scratch} {
		if *buffer = (*buffer)[:0]; cap(*buffer) > scratchKeptMax {
			*buffer = nil
		}
	}
	s.exchanges.Put(x)
}

// name unescapes and checks a name of the path. The result lives as long as x.
func (x *exchange) name(param int, what string) ([]byte, bool) {
	start := len(x.names)
	names, ok := unescapePath(x.names, x.params[param])
	x.names = names
	reason := reasonNamePercent
	if ok {
		reason = checkName(names[start:])
	}
	if reason != "" {
		x.problem(problemBadRequest, "the "+what+" in the path "+reason)
		return nil, false
	}
	return names[start:len(names):len(names)], true
}
