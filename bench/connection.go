package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

const dialTimeout = 3 * time.Second

// connection is one kept alive, with one request under way at most. It is used by
// one goroutine at a time.
type connection struct {
	address  string
	conn     net.Conn // nil: closed
	in       *bufio.Reader
	deadline time.Time // of everything on it; zero: none
	reply    reply     // the last one
}

func newConnection(address string) connection {
	return connection{address: address, in: bufio.NewReaderSize(nil, headerLineMax)}
}

// open connects, unless it is connected.
func (c *connection) open() error {
	if c.conn != nil {
		return nil
	}
	conn, err := net.DialTimeout("tcp", c.address, dialTimeout)
	if err != nil {
		return err
	}
	if err := conn.SetDeadline(c.deadline); err != nil {
		conn.Close()
		return err
	}
	c.conn = conn
	c.in.Reset(conn)
	return nil
}

// setDeadline bounds all exchanges from now on. One call for many requests, because
// a timer for each would cost more than the request's own bytes.
func (c *connection) setDeadline(deadline time.Time) error {
	c.deadline = deadline
	if c.conn == nil {
		return nil
	}
	return c.conn.SetDeadline(deadline)
}

// exchange sends the request and reads its reply. After an error, and after a reply
// that announced it, the connection is closed.
func (c *connection) exchange(request []byte) error {
	if err := c.open(); err != nil {
		return err
	}
	_, err := c.conn.Write(request)
	if err == nil {
		err = c.reply.read(c.in)
	}
	if err != nil || c.reply.closing {
		c.close()
	}
	return err
}

func (c *connection) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// closedBetween reports whether the error is what a connection gives that the other
// side had closed before the request came.
func closedBetween(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// kindOf gives an error a short name to count it under, without ports and addresses.
func kindOf(err error) string {
	var dial *net.OpError
	dialing := errors.As(err, &dial) && dial.Op == "dial"
	var number syscall.Errno
	switch {
	case dialing && errors.As(err, &number):
		return "connecting: " + number.Error()
	case dialing:
		return "connecting: " + fmt.Sprint(dial.Err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "no reply in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed instead of a reply"
	case errors.As(err, &number):
		return number.Error()
	default:
		return err.Error()
	}
}
