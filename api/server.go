package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// Options are the limits of a server. A zero field means its default.
type Options struct {
	BodyBytesMax     int // a request with one record; 64 KiB
	BulkBodyBytesMax int // an NDJSON or JSON array request; 8 MiB

	ReadTimeout  time.Duration // the header and the body, and each chunk of a bulk body; 15 s
	WriteTimeout time.Duration // the reply; 15 s
	IdleTimeout  time.Duration // a connection between two requests; 1 min

	ConnectionsMax      int // in all; more get a plain-text 503; 20,000
	ConnectionsPerIPMax int // more get a plain-text 429; ConnectionsMax

	DefaultLifetime time.Duration // of a membership without an expiry; 14 days
	LifetimeMax     time.Duration // how far ahead an expiry may be; 400 days

	// Middleware wraps every route, inside the metrics and the panic recovery. It
	// may answer in a route's place. It must call the next handler, if at all, on
	// its own goroutine and before it returns. Nil: none.
	Middleware func(fasthttp.RequestHandler) fasthttp.RequestHandler

	Logger *slog.Logger // nil: none
}

func (o Options) withDefaults() Options {
	orDefault(&o.BodyBytesMax, 64<<10)
	orDefault(&o.BulkBodyBytesMax, 8<<20)
	orDefault(&o.ReadTimeout, 15*time.Second)
	orDefault(&o.WriteTimeout, 15*time.Second)
	orDefault(&o.IdleTimeout, time.Minute)
	orDefault(&o.ConnectionsMax, 20_000)
	orDefault(&o.ConnectionsPerIPMax, o.ConnectionsMax)
	orDefault(&o.DefaultLifetime, 14*24*time.Hour)
	orDefault(&o.LifetimeMax, 400*24*time.Hour)
	if o.Middleware == nil {
		o.Middleware = func(next fasthttp.RequestHandler) fasthttp.RequestHandler { return next }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func orDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// The bounds that are no options.
const (
	headerBytesMax  = 8 << 10 // also the buffer of each connection
	bulkRequestsMax = 128     // bulk bodies being read at once; each holds up to a chunk
)

const serverName = "headcount"

// bulkWaitMax is how long a bulk request waits for one before it to end.
const bulkWaitMax = 5 * time.Second

// Server serves the API.
type Server struct {
	service Service
	options Options
	logger  *slog.Logger
	routes  *routeTable
	metrics *serverMetrics
	http    *fasthttp.Server
	chain   fasthttp.RequestHandler // the middleware around dispatch

	middleware bool // there is one

	exchanges sync.Pool // of *exchange
	counts    lastRepresentation
	bulks     sync.Pool     // of *bulk
	bulkSlots chan struct{} // holds one element for each bulk body being read

	date    dateText
	closing atomic.Bool // replies end their connections

	mu struct {
		sync.Mutex
		closed      bool
		listeners   []net.Listener
		connections map[net.Conn]struct{}
	}
}

// ErrServerClosed is what [Server.Serve] returns after [Server.Shutdown].
var ErrServerClosed = errors.New("the HTTP server is shut down")

// New returns a server that does nothing until [Server.Serve] is called.
func New(service Service, options Options) *Server {
	s := &Server{service: service, middleware: options.Middleware != nil, options: options.withDefaults(), routes: newRouteTable()}
	s.logger = s.options.Logger
	s.exchanges.New = func() any { return &exchange{server: s} }
	s.bulks.New = func() any { return new(bulk) }
	s.bulkSlots = make(chan struct{}, bulkRequestsMax)
	s.chain = s.options.Middleware(s.dispatch)
	s.mu.connections = map[net.Conn]struct{}{}
	s.http = &fasthttp.Server{
		Handler:               s.serve,
		ErrorHandler:          s.refuseMalformed,
		ExpectHandler:         s.expect,
		ConnState:             s.track,
		Name:                  serverName,
		Logger:                printfLogger{s.logger},
		Concurrency:           s.options.ConnectionsMax,
		ReadBufferSize:        headerBytesMax,
		ReadTimeout:           s.options.ReadTimeout,
		WriteTimeout:          s.options.WriteTimeout,
		IdleTimeout:           s.options.IdleTimeout,
		CloseOnShutdown:       true,
		SecureErrorLogMessage: true, // IDs stay out of the log
		NoDefaultContentType:  true,

		// Bodies are read by the routes, each within its own limit. One byte of
		// body is as little as fasthttp can be told to wait for before it calls
		// the handler: so what the header shows to be too large is refused at once.
		StreamRequestBody:  true,
		MaxRequestBodySize: 1,

		// Otherwise a multipart body would be put into files, whatever its path.
		DisablePreParseMultipartForm: true,
	}
	if s.options.ConnectionsPerIPMax < s.options.ConnectionsMax {
		s.http.MaxConnsPerIP = s.options.ConnectionsPerIPMax
	}
	s.metrics = newServerMetrics(s.routes.all,
		func() float64 { return float64(s.http.GetOpenConnectionsCount()) },
		func() float64 { return float64(s.http.GetRejectedConnectionsCount()) })
	return s
}

// Handler returns what the server does with a request, for a server of another make.
func (s *Server) Handler() fasthttp.RequestHandler { return s.serve }

// Serve answers the connections of ln, and closes it at the end. It returns nil
// after [Server.Shutdown], [ErrServerClosed] if that came first, or the error that
// ended the accepting.
func (s *Server) Serve(ln net.Listener) error {
	s.mu.Lock()
	if s.mu.closed {
		s.mu.Unlock()
		return errors.Join(ErrServerClosed, ln.Close())
	}
	s.mu.listeners = append(s.mu.listeners, ln)
	s.mu.Unlock()
	if err := s.http.Serve(frontListener{ln, s}); err != nil {
		return fmt.Errorf("accepting HTTP connections on %s: %w", ln.Addr(), err)
	}
	return nil
}

// Shutdown stops accepting, lets requests that are being served end, and returns
// when all connections are closed. When ctx ends first, it closes them under their
// requests and returns an error: the handlers then still run until the service
// returns, which it does in bounded time.
func (s *Server) Shutdown(ctx context.Context) error {
	s.closing.Store(true)
	s.mu.Lock()
	s.mu.closed = true
	for _, ln := range s.mu.listeners {
		// A listener that is closed already has nothing more to say.
		_ = ln.Close()
	}
	s.mu.listeners = nil
	s.mu.Unlock()

	err := s.http.ShutdownWithContext(ctx)
	cut := s.cutConnections()
	if ctx.Err() == nil {
		// Only closing the listeners a second time can fail, and only connections that
		// were ending, or lingering, were cut.
		return nil
	}
	return fmt.Errorf("shutting down the HTTP server: %w (%d connections cut)", err, cut)
}

// cutConnections closes what is still open and returns how many that were.
func (s *Server) cutConnections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.mu.connections {
		// The connection is being given up: it does not matter how it ends.
		if f, ok := frontOf(conn); ok {
			_ = f.cut()
		} else {
			_ = conn.Close()
		}
	}
	return len(s.mu.connections)
}

// track keeps the set of open connections, so that Shutdown can cut them, and tells
// fronts when they are between two requests.
func (s *Server) track(conn net.Conn, state fasthttp.ConnState) {
	switch state {
	case fasthttp.StateNew:
		s.mu.Lock()
		s.mu.connections[conn] = struct{}{}
		s.mu.Unlock()
	case fasthttp.StateClosed, fasthttp.StateHijacked:
		s.mu.Lock()
		delete(s.mu.connections, conn)
		s.mu.Unlock()
	default:
		if f, ok := frontOf(conn); ok {
			f.note(state == fasthttp.StateActive)
		}
	}
}

// refuseMalformed answers what fasthttp could not read as a request. The connection
// is closed afterwards.
func (s *Server) refuseMalformed(ctx *fasthttp.RequestCtx, err error) {
	kind, detail := problemBadRequest, "this is not HTTP/1.1: correct the request line and the headers"
	var small *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.As(err, &small):
		kind, detail = problemHeaderTooLarge, "the request line and the headers are larger than 8 KiB: send less"
	case errors.As(err, &timeout) && timeout.Timeout():
		kind, detail = problemTimeout, "the request did not arrive in time: send it faster"
	}
	writeProblem(ctx, kind, detail, 0, nil)
	s.metrics.count(s.routes.malformed, kind.status)
	if kind != problemTimeout {
		lingerOn(ctx)
	}
}

// expect refuses, before it is sent, a body that is larger than any route takes: to a
// client that asks first (Expect: 100-continue). fasthttp sends what is in ctx then, with
// the status that is returned; it does not promise to, so a test holds it to that.
func (s *Server) expect(ctx *fasthttp.RequestCtx) (status int) {
	if ctx.Request.Header.ContentLength() <= max(s.options.BodyBytesMax, s.options.BulkBodyBytesMax) {
		return http.StatusContinue
	}
	s.serve(ctx)
	return ctx.Response.StatusCode()
}

// printfLogger takes what fasthttp has to say, mostly of clients that misbehave.
type printfLogger struct{ logger *slog.Logger }

func (l printfLogger) Printf(format string, args ...any) {
	l.logger.Info("http server", "event", fmt.Sprintf(format, args...))
}
