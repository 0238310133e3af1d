package transport

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// StreamLayer carries one group's Raft streams. It implements
// [raft.StreamLayer]; close it through the NetworkTransport that uses it.
type StreamLayer struct {
	transport *Transport
	group     uint32
	incoming  chan net.Conn // unbuffered: Raft accepts at once, or is closing
	closed    chan struct{}
	closeOnce sync.Once
}

var _ raft.StreamLayer = (*StreamLayer)(nil)

// Group opens the streams of one group. A group is opened once; until then, and
// after it was closed, streams to it are refused.
func (t *Transport) Group(group uint32) (*StreamLayer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.groups[group] != nil {
		return nil, fmt.Errorf("group %d is open already", group)
	}
	s := &StreamLayer{transport: t, group: group, incoming: make(chan net.Conn), closed: make(chan struct{})}
	t.mu.groups[group] = s
	return s, nil
}

func (t *Transport) openGroup(group uint32) (*StreamLayer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.mu.groups[group]
	if s == nil {
		return nil, fmt.Errorf("group %d is not open on this node", group)
	}
	return s, nil
}

func (s *StreamLayer) deliver(conn net.Conn) {
	select {
	case s.incoming <- conn:
	case <-s.closed:
		_ = conn.Close()
	case <-s.transport.ctx.Done():
		_ = conn.Close()
	}
}

// Accept implements [net.Listener].
func (s *StreamLayer) Accept() (net.Conn, error) {
	select {
	case conn := <-s.incoming:
		return conn, nil
	case <-s.closed:
		return nil, net.ErrClosed
	case <-s.transport.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener]: no stream is accepted any more. Those that
// were are Raft's.
func (s *StreamLayer) Close() error {
	s.closeOnce.Do(func() {
		close(s.closed)
		s.transport.mu.Lock()
		delete(s.transport.mu.groups, s.group)
		s.transport.mu.Unlock()
	})
	return nil
}

// Addr implements [net.Listener].
func (s *StreamLayer) Addr() net.Addr { return s.transport.config.Listener.Addr() }

// Dial implements [raft.StreamLayer].
func (s *StreamLayer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	select {
	case <-s.closed:
		return nil, errors.New("group is closed")
	default:
	}
	h := header{
		carries:  carriesRaft,
		group:    s.group,
		instance: s.transport.config.InstanceAt(string(address)),
	}
	return s.transport.dial(s.transport.ctx, string(address), h, timeout)
}
