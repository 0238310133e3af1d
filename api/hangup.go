package api

import (
	"context"
	"net"
	"syscall"
	"time"
)

// hangupEvery is how often a connection is looked at, and so about how much longer
// the work for a client goes on than the client.
const hangupEvery = 50 * time.Millisecond

// untilHangup returns a context that ends soon after the client has closed the
// connection, or its sending half. fasthttp does not tell: it reads a connection
// between requests only. A client that has sent its next request already goes
// unnoticed. stop must be called before the handler returns.
func untilHangup(conn net.Conn) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	socket, ok := socketOf(conn)
	if !ok {
		return ctx, cancel // nothing to look at, as in a test without a connection
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(hangupEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if hungUp(socket) {
				cancel()
			}
		}
	}()
	return ctx, func() {
		cancel()
		<-watched
	}
}

// socketOf finds the socket of a connection, below what it is wrapped in.
func socketOf(conn net.Conn) (syscall.Conn, bool) {
	for conn != nil {
		if socket, ok := conn.(syscall.Conn); ok {
			return socket, true
		}
		conn = embedded(conn)
	}
	return nil, false
}
