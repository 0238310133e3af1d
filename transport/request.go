package transport

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Kind says what a request asks for.
type Kind uint8

// Handler answers the requests of one kind. payload is the handler's to keep. ctx
// ends with the connection or the transport.
type Handler func(ctx context.Context, payload []byte) (reply []byte, err error)

// Bounds of requests.
const (
	RequestBytesMax  = 16 << 20 // payload of a request or of a reply
	requestsPerConn  = 256      // handled at once for one peer; more wait in its socket
	writeTimeout     = 2 * time.Second
	dialTimeout      = 2 * time.Second
	frameHeaderBytes = 8 + 1 + 4 // id, kind or outcome, length
)

// The outcomes of a request, where a request has its kind.
const (
	outcomeOK    = 0
	outcomeError = 1
)

// The failures of a request. See the package documentation.
var (
	ErrNotSent = errors.New("request not sent")
	ErrNoReply = errors.New("no reply to the request")
)

// RemoteError is a failure that the peer's handler reported.
type RemoteError struct{ Text string }

func (e *RemoteError) Error() string { return e.Text }

// Handle registers the handler of a kind. Register before [Transport.Serve].
func (t *Transport) Handle(kind Kind, h Handler) {
	t.mu.Lock()
	t.mu.handlers[kind] = h
	t.mu.Unlock()
}

// Call sends a request to the node at address and waits for its reply, until ctx
// ends. payload is not kept.
func (t *Transport) Call(ctx context.Context, address string, kind Kind, payload []byte) ([]byte, error) {
	c, err := t.caller(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	return c.call(ctx, kind, payload)
}

// caller returns the kept connection to a peer, making it if there is none.
func (t *Transport) caller(ctx context.Context, address string) (*caller, error) {
	t.mu.Lock()
	c := t.mu.callers[address]
	t.mu.Unlock()
	if c != nil && !c.ended() {
		return c, nil
	}
	conn, err := t.dial(ctx, address, header{carries: carriesRequests}, dialTimeout)
	if err != nil {
		return nil, err
	}
	c = newCaller(conn)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.closed {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	if other := t.mu.callers[address]; other != nil && !other.ended() {
		_ = conn.Close()
		return other, nil
	}
	t.mu.callers[address] = c
	t.done.Go(func() {
		c.readLoop()
		t.mu.Lock()
		if t.mu.callers[address] == c {
			delete(t.mu.callers, address)
		}
		t.mu.Unlock()
	})
	return c, nil
}

// caller is the dialling side of a kept connection for requests.
type caller struct {
	conn net.Conn

	write struct {
		sync.Mutex
		buf *bufio.Writer
	}
	mu struct {
		sync.Mutex
		last     uint64
		pending  map[uint64]chan reply
		received uint64 // replies so far
		err      error  // why the connection ended
	}
}

type reply struct {
	payload []byte
	err     error
}

func newCaller(conn net.Conn) *caller {
	c := &caller{conn: conn}
	c.write.buf = bufio.NewWriterSize(conn, 64<<10)
	c.mu.pending = make(map[uint64]chan reply)
	return c
}

func (c *caller) call(ctx context.Context, kind Kind, payload []byte) ([]byte, error) {
	if len(payload) > RequestBytesMax {
		return nil, fmt.Errorf("%w: %d bytes is more than a request may have", ErrNotSent, len(payload))
	}
	answer := make(chan reply, 1) // so that the reader never waits for a caller that left
	c.mu.Lock()
	if c.mu.err != nil {
		c.mu.Unlock()
		return nil, fmt.Errorf("%w: %w", ErrNotSent, c.mu.err)
	}
	c.mu.last++
	id, received := c.mu.last, c.mu.received
	c.mu.pending[id] = answer
	c.mu.Unlock()

	if err := c.send(ctx, id, byte(kind), payload); err != nil {
		c.close(err)
	}
	select {
	case r := <-answer:
		return r.payload, r.err
	case <-ctx.Done():
		c.forget(id, received)
		return nil, fmt.Errorf("%w: %w", ErrNoReply, context.Cause(ctx))
	}
}

// forget gives a request up. If the peer has said nothing at all since it was
// sent, the connection is given up with it: the next request makes a new one.
func (c *caller) forget(id, received uint64) {
	c.mu.Lock()
	delete(c.mu.pending, id)
	silent := c.mu.received == received && len(c.mu.pending) == 0
	c.mu.Unlock()
	if silent {
		c.close(errors.New("the peer is silent"))
	}
}

// send writes a frame, but not for longer than ctx lasts: a frame cut off ends the
// connection.
func (c *caller) send(ctx context.Context, id uint64, kind byte, payload []byte) error {
	c.write.Lock()
	defer c.write.Unlock()
	until := time.Now().Add(writeTimeout)
	if due, ok := ctx.Deadline(); ok && due.Before(until) {
		until = due
	}
	if err := c.conn.SetWriteDeadline(until); err != nil {
		return err
	}
	return writeFrame(c.write.buf, id, kind, payload)
}

func (c *caller) readLoop() {
	r := bufio.NewReaderSize(c.conn, 64<<10)
	for {
		id, outcome, payload, err := readFrame(r)
		if err != nil {
			c.close(err)
			return
		}
		c.mu.Lock()
		c.mu.received++
		answer := c.mu.pending[id]
		delete(c.mu.pending, id)
		c.mu.Unlock()
		if answer == nil {
			continue // given up
		}
		if outcome == outcomeOK {
			answer <- reply{payload: payload}
		} else {
			answer <- reply{err: &RemoteError{string(payload)}}
		}
	}
}

// close ends the connection; what was sent on it stays without a reply.
func (c *caller) close(err error) {
	_ = c.conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.err == nil {
		c.mu.err = err
	}
	for id, answer := range c.mu.pending {
		answer <- reply{err: fmt.Errorf("%w: %w", ErrNoReply, err)}
		delete(c.mu.pending, id)
	}
}

// ended reports whether the connection takes no more requests. Its reader may
// still be about to leave it.
func (c *caller) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.err != nil
}

// serveRequests answers the requests of one connection until it ends.
func (t *Transport) serveRequests(conn net.Conn) {
	ctx, cancel := context.WithCancel(t.ctx)
	var handlers sync.WaitGroup
	defer handlers.Wait()
	defer cancel()

	slots := make(chan struct{}, requestsPerConn)
	var write sync.Mutex
	w := bufio.NewWriterSize(conn, 64<<10)
	r := bufio.NewReaderSize(conn, 64<<10)
	for {
		id, kind, payload, err := readFrame(r)
		if err != nil {
			if err != io.EOF && t.ctx.Err() == nil {
				t.config.Logger.Debug("peer connection ended", "from", conn.RemoteAddr(), "err", err)
			}
			return
		}
		slots <- struct{}{}
		handlers.Go(func() {
			defer func() { <-slots }()
			outcome, answer := t.handle(ctx, Kind(kind), payload)
			write.Lock()
			defer write.Unlock()
			if conn.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil ||
				writeFrame(w, id, outcome, answer) != nil {
				_ = conn.Close() // the peer will send what matters again
			}
		})
	}
}

func (t *Transport) handle(ctx context.Context, kind Kind, payload []byte) (outcome byte, answer []byte) {
	t.mu.Lock()
	h := t.mu.handlers[kind]
	t.mu.Unlock()
	if h == nil {
		return outcomeError, fmt.Appendf(nil, "request of unknown kind %d", kind)
	}
	answer, err := h(ctx, payload)
	if err != nil {
		return outcomeError, []byte(err.Error())
	}
	return outcomeOK, answer
}

func writeFrame(w *bufio.Writer, id uint64, kind byte, payload []byte) error {
	var head [frameHeaderBytes]byte
	binary.LittleEndian.PutUint64(head[:], id)
	head[8] = kind
	binary.LittleEndian.PutUint32(head[9:], uint32(len(payload)))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	if _, err := w.Write(payload); err != nil {
		return err
	}
	return w.Flush()
}

func readFrame(r io.Reader) (id uint64, kind byte, payload []byte, err error) {
	var head [frameHeaderBytes]byte
	if _, err = io.ReadFull(r, head[:]); err != nil {
		return 0, 0, nil, err
	}
	n := binary.LittleEndian.Uint32(head[9:])
	if n > RequestBytesMax {
		return 0, 0, nil, fmt.Errorf("a frame of %d bytes: more than %d", n, RequestBytesMax)
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(r, payload)
	return binary.LittleEndian.Uint64(head[:]), head[8], payload, err
}
