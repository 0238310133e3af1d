package api

import (
	"io"
	"net"
	"reflect"
	"time"

	"github.com/valyala/fasthttp"
)

// lingerMax bounds how long a connection outlives the refusal of a body.
const lingerMax = 5 * time.Second

// lingerOn has the connection of a refused request end so that the client can read why.
// The client may still be sending its body: if the connection were closed on it, the
// client's kernel would be told to drop everything, the reply included, before the client
// has read it. So our half is closed, and what comes is read and thrown away until the
// client closes its own, for at most lingerMax (RFC 9112, section 9.6).
func lingerOn(ctx *fasthttp.RequestCtx) {
	if f, ok := frontOf(ctx.Conn()); ok {
		f.life.CompareAndSwap(frontResting, frontLingering)
	}
}

// linger closes the connection, see [lingerOn].
func (f *front) linger() error {
	if half, ok := f.Conn.(interface{ CloseWrite() error }); ok && !f.server.closing.Load() && half.CloseWrite() == nil &&
		f.Conn.SetReadDeadline(time.Now().Add(lingerMax)) == nil {
		_, _ = io.Copy(io.Discard, f.Conn) // however it ends, so does the connection
	}
	return f.Conn.Close()
}

// frontOf finds the front of a connection. fasthttp hides it: a connection that is
// counted by its IP address is the embedded Conn of a type that is not exported.
func frontOf(conn net.Conn) (*front, bool) {
	if f, ok := conn.(*front); ok {
		return f, true
	}
	f, ok := embedded(conn).(*front)
	return f, ok
}

// embedded returns the Conn that a connection is made of, nil if it is of another make.
func embedded(conn net.Conn) net.Conn {
	outer := reflect.Indirect(reflect.ValueOf(conn))
	if outer.Kind() != reflect.Struct {
		return nil
	}
	inner := outer.FieldByName("Conn")
	if !inner.IsValid() || !inner.CanInterface() {
		return nil
	}
	found, _ := inner.Interface().(net.Conn)
	return found
}
