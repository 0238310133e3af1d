// Package pgproxy stands between clients and PostgreSQL and does harm at a commit: it
// cuts the connection before or after it, or holds it back. For tests of what must not
// be done twice.
package pgproxy

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Harm is done once, to the first connection that commits a transaction such as it says.
type Harm struct {
	Mark     []byte // bytes that one of its messages has; nil: any
	BytesMin int    // that its pipeline has at least

	// A commit is the end of a pipeline (a Sync message), or where AtCommit is set a
	// COMMIT sent on its own.
	AtCommit bool

	// The connection is cut before PostgreSQL hears of the commit; where Answered is set,
	// after PostgreSQL has committed and before the client hears of it; and where Hold is
	// set not at all: it is called, and then the commit passes on.
	Answered bool
	Hold     func()
}

// Proxy is a listening proxy. Its methods may be called from any goroutine.
type Proxy struct {
	target   string
	listener net.Listener
	end      context.CancelFunc
	serving  sync.WaitGroup

	armed atomic.Pointer[Harm]
	done  atomic.Int64
}

// Listen passes connections to the address on to the target, both host:port.
func Listen(address, target string) (*Proxy, error) {
	listener, err := net.Listen("tcp4", address)
	if err != nil {
		return nil, fmt.Errorf("proxy of PostgreSQL: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proxy{target: target, listener: listener, end: cancel}
	p.serving.Go(func() {
		for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
			p.serving.Go(func() { p.serve(ctx, conn) })
		}
	})
	return p, nil
}

// Address is where it listens.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Arm has the harm done at the next commit that it is meant for, instead of what was
// armed before. Nil: none.
func (p *Proxy) Arm(h *Harm) { p.armed.Store(h) }

// Done is how many harms were.
func (p *Proxy) Done() int64 { return p.done.Load() }

// Close cuts all connections and returns when nothing of them is left. A Hold must have
// returned, or it waits for it.
func (p *Proxy) Close() {
	p.end()
	_ = p.listener.Close()
	p.serving.Wait()
}

func (p *Proxy) serve(ctx context.Context, client net.Conn) {
	server, err := net.Dial("tcp4", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	c := &connection{proxy: p, client: client, server: server}
	defer context.AfterFunc(ctx, c.close)()
	var directions sync.WaitGroup
	directions.Go(c.requests)
	directions.Go(c.replies)
	directions.Wait()
}

// connection is one connection through the proxy.
type connection struct {
	proxy          *Proxy
	client, server net.Conn
	cutAtReady     atomic.Bool // the commit is on its way: swallow the answer
}

func (c *connection) close() {
	_ = c.client.Close()
	_ = c.server.Close()
}

func (c *connection) requests() {
	defer c.close()
	if !pass(c.client, c.server, 0) { // the startup message has no type
		return
	}
	var seen transaction
	for {
		kind, message, err := readMessage(c.client)
		if err != nil {
			return
		}
		if h := c.proxy.armed.Load(); h != nil {
			seen.add(h, message)
			if seen.is(h, kind, message) && c.proxy.armed.CompareAndSwap(h, nil) {
				c.proxy.done.Add(1)
				switch {
				case h.Hold != nil:
					h.Hold()
				case h.Answered:
					c.cutAtReady.Store(true)
				default:
					return
				}
			}
		}
		if kind == endOfPipeline {
			seen.bytes = 0
		}
		if _, err := c.server.Write(message); err != nil {
			return
		}
	}
}

// Kinds of messages (PostgreSQL's documentation, "Message Formats").
const (
	simpleQuery   = 'Q'
	endOfPipeline = 'S'
	ready         = 'Z'
)

// transaction is what was seen of one.
type transaction struct {
	marked bool // also by one before it: it may be tried again, with a COMMIT of its own
	bytes  int  // of the pipeline
}

func (t *transaction) add(h *Harm, message []byte) {
	t.marked = t.marked || bytes.Contains(message, h.Mark)
	t.bytes += len(message)
}

// is reports whether the message commits such a transaction as the harm is meant for.
func (t *transaction) is(h *Harm, kind byte, message []byte) bool {
	if !t.marked || t.bytes < h.BytesMin {
		return false
	}
	if h.AtCommit {
		return kind == simpleQuery && bytes.Contains(bytes.ToLower(message), []byte("commit"))
	}
	return kind == endOfPipeline
}

func (c *connection) replies() {
	defer c.close()
	for {
		kind, message, err := readMessage(c.server)
		if err != nil {
			return
		}
		if c.cutAtReady.Load() {
			if kind == ready { // for the next query: this one has committed
				return
			}
			continue
		}
		if _, err := c.client.Write(message); err != nil {
			return
		}
	}
}

// pass forwards one message whose length stands at offset.
func pass(from io.Reader, to io.Writer, offset int) bool {
	message, err := readFramed(from, offset)
	if err == nil {
		_, err = to.Write(message)
	}
	return err == nil
}

func readMessage(from io.Reader) (kind byte, message []byte, err error) {
	message, err = readFramed(from, 1)
	if err != nil {
		return 0, nil, err
	}
	return message[0], message, nil
}

func readFramed(from io.Reader, offset int) ([]byte, error) {
	head := make([]byte, offset+4)
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint32(head[offset:]))
	if length < 4 {
		return nil, fmt.Errorf("proxy of PostgreSQL: a message of %d bytes", length)
	}
	message := make([]byte, offset+length)
	copy(message, head)
	_, err := io.ReadFull(from, message[len(head):])
	return message, err
}
