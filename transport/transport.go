package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Config is what a transport needs.
type Config struct {
	Cluster  string // the cluster's name, at most 255 bytes
	Instance Instance
	Listener net.Listener
	// Dial connects to a peer's address. nil means plain TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// InstanceAt says which instance is expected at a peer's address, or zero
	// when that is not known (yet).
	InstanceAt func(address string) Instance
	// AcceptUnaddressed says whether this node takes Raft streams whose dialler
	// does not know this node's instance. A node with nothing on disk must not:
	// it may have lost what made it a voter.
	AcceptUnaddressed func() bool
	Logger            *slog.Logger
}

// Transport is a node's peer port.
type Transport struct {
	config Config
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu struct {
		sync.Mutex
		groups   map[uint32]*StreamLayer
		handlers map[Kind]Handler
		callers  map[string]*caller
		conns    map[net.Conn]struct{} // accepted
		closed   bool
	}
}

// New returns a transport that accepts nothing until [Transport.Serve].
func New(c Config) *Transport {
	if c.Dial == nil {
		var d net.Dialer
		c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return d.DialContext(ctx, "tcp", address)
		}
	}
	t := &Transport{config: c}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.mu.groups = make(map[uint32]*StreamLayer)
	t.mu.handlers = make(map[Kind]Handler)
	t.mu.callers = make(map[string]*caller)
	t.mu.conns = make(map[net.Conn]struct{})
	return t
}

// Serve begins to accept connections, in the background. Register the handlers
// before.
func (t *Transport) Serve() {
	t.done.Go(t.acceptLoop)
}

// Close ends everything and waits for it.
func (t *Transport) Close() error {
	t.mu.Lock()
	t.mu.closed = true
	t.cancel()
	err := t.config.Listener.Close()
	for conn := range t.mu.conns {
		_ = conn.Close()
	}
	for _, c := range t.mu.callers {
		c.close(net.ErrClosed)
	}
	t.mu.Unlock()
	t.done.Wait()
	return err
}

func (t *Transport) acceptLoop() {
	for {
		conn, err := t.config.Listener.Accept()
		if err != nil {
			if t.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of file descriptors, most likely: go on when there are some.
			t.config.Logger.Error("accepting a peer connection", "err", err)
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-t.ctx.Done():
				return
			}
		}
		if !t.own(conn) {
			_ = conn.Close()
			return
		}
		t.done.Go(func() { t.welcome(conn) })
	}
}

// own keeps a connection to be closed with the transport.
func (t *Transport) own(conn net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.closed {
		return false
	}
	t.mu.conns[conn] = struct{}{}
	return true
}

func (t *Transport) disown(conn net.Conn) {
	t.mu.Lock()
	delete(t.mu.conns, conn)
	t.mu.Unlock()
}

// welcome reads the header and hands the connection to whom it is for.
func (t *Transport) welcome(conn net.Conn) {
	if err := conn.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		t.disown(conn)
		_ = conn.Close()
		return
	}
	h, err := readHeader(conn)
	if err == nil {
		err = t.check(h)
	}
	var group *StreamLayer
	if err == nil && h.carries == carriesRaft {
		group, err = t.openGroup(h.group)
	}
	if err != nil {
		t.config.Logger.Debug("refused a peer connection", "from", conn.RemoteAddr(), "reason", err)
		t.disown(conn)
		refuse(conn, err.Error())
		return
	}
	if err := accept(conn); err != nil {
		t.disown(conn)
		_ = conn.Close()
		return
	}
	if group != nil {
		// From here on the connection is Raft's, which closes it.
		t.disown(conn)
		group.deliver(conn)
		return
	}
	t.serveRequests(conn)
	t.disown(conn)
	_ = conn.Close()
}

func (t *Transport) check(h header) error {
	switch {
	case h.cluster != t.config.Cluster:
		return fmt.Errorf("this is cluster %q, not %q", t.config.Cluster, h.cluster)
	case h.instance != Instance{} && h.instance != t.config.Instance:
		return errors.New("the node at this address has another data directory than the cluster knows")
	case h.carries == carriesRaft && h.instance == Instance{} && !t.config.AcceptUnaddressed():
		return errors.New("this node has no data yet and waits to be admitted")
	case h.carries != carriesRaft && h.carries != carriesRequests:
		return fmt.Errorf("unknown use %d of a connection", h.carries)
	}
	return nil
}

// dial connects to a peer and introduces itself.
func (t *Transport) dial(ctx context.Context, address string, h header, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := t.config.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	h.cluster = t.config.Cluster
	if err := introduce(conn, h, timeout); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("peer %s: %w", address, err)
	}
	return conn, nil
}
