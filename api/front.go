package api

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// frontGrain is how much later than asked a deadline of a front may be: so it need
// not be moved for each request, which costs more than decoding it.
const frontGrain = time.Second

// front is a connection as fasthttp sees it. It ends in its own way after a refusal, see
// [lingerOn], and answers plain requests itself.
//
// A plain request came with one read, nothing is wrong with it, and it is a whole POST
// /users with one membership ([Server.plainWrite]) or a GET /segments/count as most
// clients send it ([isPlainCounts]). All else goes on to fasthttp, as it came.
//
// It sits in the connection's Read. fasthttp asks for the first byte of a request;
// Read answers the plain requests among what comes, and returns with the first bytes
// that are something else. So connections, their limits and their end stay
// fasthttp's, and one connection may mix requests of every kind.
//
// Invariant: only bytes that begin a request are looked at. fasthttp's states say when
// that is: it asks for the next request after StateIdle, and reads more of the
// present one after StateActive. A part of a body is never taken for a request.
//
// Read, Write and the deadlines belong to the connection's goroutine; Close and cut
// may be called from any.
type front struct {
	net.Conn
	server *Server

	plain   bool      // it answers plain requests: no middleware must see them
	between bool      // two requests: what is read next begins one; never if not plain
	extends time.Time // when the read deadline was last put off; zero: it is fasthttp's
	writes  time.Time // the same of the write deadline
	reply   []byte
	body    []byte    // goes out behind reply; nil: all is in reply. Shared: not to be changed
	pieces  [2][]byte // both of them, while they are written
	unsent  net.Buffers

	life atomic.Int32
}

// The lives of a front.
const (
	frontResting   = iota // in a read, or fasthttp has it
	frontWriting          // a plain request is being answered: Close waits for its reply
	frontEnding           // was closed meanwhile
	frontLingering        // the request that fasthttp has was refused: if it is closed now, it lingers
	frontClosed
)

// frontListener makes fronts of a listener's connections.
type frontListener struct {
	net.Listener
	server *Server
}

// Accept implements [net.Listener].
func (l frontListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	f := &front{Conn: conn, server: l.server, plain: !l.server.middleware}
	f.between = f.plain
	return f, nil
}

// Read implements [net.Conn].
func (f *front) Read(p []byte) (int, error) {
	for {
		n, err := f.Conn.Read(p)
		if !f.between || n == 0 || err != nil {
			return n, f.ended(n, err)
		}
		served, err := f.serve(p[:n])
		if err != nil {
			return 0, err
		}
		if !served {
			f.between = false
			return n, f.handOver()
		}
	}
}

// ended makes a plain end of the idle time of a connection that had requests. fasthttp
// has not seen these, and would answer 408 as to one that never sent any.
func (f *front) ended(n int, err error) error {
	if n == 0 && f.between && !f.extends.IsZero() && errors.Is(err, os.ErrDeadlineExceeded) {
		return io.EOF
	}
	return err
}

// handOver gives fasthttp the read deadline that it has set for the bytes after the
// first of a request.
func (f *front) handOver() error {
	if f.extends.IsZero() {
		return nil
	}
	f.extends = time.Time{}
	return f.SetReadDeadline(time.Now().Add(f.server.options.ReadTimeout))
}

// serve answers a plain request. It reports false, and has done nothing, where the
// bytes are anything else. After an error the connection ends.
func (f *front) serve(request []byte) (served bool, err error) {
	plain, ok := f.server.plainRequest(request)
	if !ok {
		return false, nil
	}
	if !f.life.CompareAndSwap(frontResting, frontWriting) {
		return true, net.ErrClosed
	}
	started := time.Now()
	f.server.metrics.inFlight.Add(1)
	defer func() {
		if !f.life.CompareAndSwap(frontWriting, frontResting) {
			err = errors.Join(net.ErrClosed, f.cut())
		}
	}()
	status, err := f.answer(plain)
	ended := time.Now()
	f.server.metrics.observe(plain.route, status, ended.Sub(started))
	f.server.metrics.inFlight.Add(-1)
	if err == nil {
		err = f.send(ended)
	}
	return true, err
}

// answer does what is asked and builds the reply in f.reply and f.body. The connection
// ends after a panic: an error.
func (f *front) answer(plain plainRequest) (status int, err error) {
	s := f.server
	defer func() {
		if cause := recover(); cause != nil {
			s.metrics.panics.Inc()
			s.logger.Error("a handler panicked",
				"method", plain.route.method, "route", plain.route.pattern, "panic", cause, "stack", string(debug.Stack()))
			r := plainReply{date: s.date.at(time.Now()), closes: true}
			f.reply = r.appendProblem(f.reply[:0], problemInternal, detailInternal, 0)
			_, _ = f.Conn.Write(f.reply) // it is closed in any case
			status, err = problemInternal.status, io.EOF
		}
	}()
	f.body = nil
	if plain.route == s.routes.counts {
		return f.answerCounts(), nil
	}
	return f.answerWrite(plain.write), nil
}

func (f *front) answerWrite(w Write) (status int) {
	s := f.server
	outcome, index, failed := s.service.Write(w)
	r := plainReply{date: s.date.at(time.Now()), closes: s.closing.Load(), index: index}
	if failed == nil && outcome >= Created && outcome < SegmentsFull {
		reply := &writeReplies[outcome]
		f.reply = r.append(f.reply[:0], reply)
		return reply.status
	}
	kind, detail, retryAfter := s.writeProblem(outcome, failed)
	f.reply = r.appendProblem(f.reply[:0], kind, detail, retryAfter)
	return kind.status
}

func (f *front) answerCounts() (status int) {
	s := f.server
	counts, failed := s.service.Counts(Read{})
	r := plainReply{date: s.date.at(time.Now()), closes: s.closing.Load()}
	if failed != nil {
		kind, detail, retryAfter := s.problemOf(failed, problemInternal, s.routes.counts)
		f.reply = r.appendProblem(f.reply[:0], kind, detail, retryAfter)
		return kind.status
	}
	f.reply = r.appendCounts(f.reply[:0], s.counts.of(counts.Body))
	f.body = counts.Body
	return http.StatusOK
}

// send writes the reply, and puts off the deadlines where it is time.
func (f *front) send(now time.Time) error {
	o := &f.server.options
	if now.Sub(f.writes) >= frontGrain {
		f.writes = now
		if err := f.SetWriteDeadline(now.Add(o.WriteTimeout + frontGrain)); err != nil {
			return err
		}
	}
	if err := f.write(); err != nil {
		return err
	}
	if f.server.closing.Load() {
		return io.EOF
	}
	if now.Sub(f.extends) < frontGrain {
		return nil
	}
	f.extends = now
	return f.SetReadDeadline(now.Add(o.IdleTimeout + frontGrain))
}

// write sends the reply in one system call, without a copy of the body.
func (f *front) write() error {
	if f.body == nil {
		_, err := f.Conn.Write(f.reply)
		return err
	}
	f.pieces = [2][]byte{f.reply, f.body}
	f.unsent = f.pieces[:]
	_, err := f.unsent.WriteTo(f.Conn)
	f.pieces, f.unsent, f.body = [2][]byte{}, nil, nil
	return err
}

// Close implements [net.Conn]. fasthttp closes connections that rest, as far as it
// knows, when it shuts down: one that is being answered closes after its reply.
func (f *front) Close() error {
	for {
		switch life := f.life.Load(); life {
		case frontWriting:
			if f.life.CompareAndSwap(life, frontEnding) {
				return nil
			}
		case frontResting:
			if f.life.CompareAndSwap(life, frontClosed) {
				return f.Conn.Close()
			}
		case frontLingering:
			if f.life.CompareAndSwap(life, frontClosed) {
				return f.linger()
			}
		default:
			return nil
		}
	}
}

// cut closes the connection at once.
func (f *front) cut() error {
	f.life.Store(frontClosed)
	return f.Conn.Close()
}

// note follows what fasthttp does with the connection.
func (f *front) note(active bool) {
	f.between = f.plain && !active
	if !active {
		f.extends = time.Time{}
		f.life.CompareAndSwap(frontLingering, frontResting)
	}
}
