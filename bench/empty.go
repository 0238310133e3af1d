package main

import (
	"fmt"
	"io"
	"net"

	"github.com/valyala/fasthttp"
)

// emptyCommand makes the bench a server that does nothing. It is started by load and
// is no part of the usage.
const emptyCommand = "empty"

// emptyBodyBytesMax is above the largest request of a load.
const emptyBodyBytesMax = 4 << 20

// serveEmpty prints the address it listens on and answers every request with an
// empty 200, until in ends: so it never outlives the process that started it.
func serveEmpty(in io.Reader, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	defer listener.Close()
	server := fasthttp.Server{
		Handler:            func(*fasthttp.RequestCtx) {},
		MaxRequestBodySize: emptyBodyBytesMax,
	}
	served := make(chan error, 1) // so that Serve's goroutine ends unwatched too
	go func() { served <- server.Serve(listener) }()
	if _, err := fmt.Fprintln(out, listener.Addr()); err != nil {
		return fmt.Errorf("printing the address: %w", err)
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return fmt.Errorf("waiting for the end of the input: %w", err)
	}
	listener.Close()
	return <-served
}
