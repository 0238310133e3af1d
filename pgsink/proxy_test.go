package pgsink

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands between a Sink and PostgreSQL and can cut a connection at the commit: at
// the end of the pipeline that carries the mark (a Sync message), or at a COMMIT sent on
// its own after it.
type proxy struct {
	target   string
	mark     []byte
	answered bool // cut after PostgreSQL has committed and answered; else before it hears of the commit
	atCommit bool // cut at a COMMIT of its own
	cuts     atomic.Int64
	serving  sync.WaitGroup
}

// newProxy returns the proxy and the URL that leads through it. It cuts one connection.
func newProxy(t *testing.T, database string, p *proxy) (url string) {
	t.Helper()
	u := mustParseURL(t, database)
	p.target = u.Host
	u.Host, _ = p.listen(t, "127.0.0.1:0")
	return u.String()
}

// listen serves on the address until stop, or the test's end.
func (p *proxy) listen(t *testing.T, wanted string) (address string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp4", wanted)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.serving.Go(func() {
		for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
			p.serving.Go(func() { p.serve(ctx, conn) })
		}
	})
	stop = func() {
		cancel()
		_ = listener.Close()
		p.serving.Wait()
	}
	t.Cleanup(stop)
	return listener.Addr().String(), stop
}

func mustParseURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (p *proxy) serve(ctx context.Context, client net.Conn) {
	server, err := net.Dial("tcp4", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	c := &cutter{proxy: p, client: client, server: server}
	defer context.AfterFunc(ctx, c.close)()
	var directions sync.WaitGroup
	directions.Go(c.requests)
	directions.Go(c.replies)
	directions.Wait()
}

// cutter is one connection through the proxy.
type cutter struct {
	*proxy
	client, server net.Conn
	cutAtReady     atomic.Bool // the commit is on its way: swallow the answer
}

func (c *cutter) close() {
	_ = c.client.Close()
	_ = c.server.Close()
}

func (c *cutter) requests() {
	defer c.close()
	if !pass(c.client, c.server, 0) { // the startup message has no type
		return
	}
	marked := false
	for {
		kind, message, err := readMessage(c.client)
		if err != nil {
			return
		}
		marked = marked || bytes.Contains(message, c.mark)
		commits := kind == 'S'
		if c.atCommit {
			commits = kind == 'Q' && bytes.Contains(bytes.ToLower(message), []byte("commit"))
		}
		if marked && commits && c.cuts.CompareAndSwap(0, 1) {
			if !c.answered {
				return
			}
			c.cutAtReady.Store(true)
		}
		if _, err := c.server.Write(message); err != nil {
			return
		}
	}
}

func (c *cutter) replies() {
	defer c.close()
	for {
		kind, message, err := readMessage(c.server)
		if err != nil {
			return
		}
		if c.cutAtReady.Load() {
			if kind == 'Z' { // ready for the next query: this one has committed
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
	message := make([]byte, offset+int(binary.BigEndian.Uint32(head[offset:])))
	copy(message, head)
	_, err := io.ReadFull(from, message[len(head):])
	return message, err
}
