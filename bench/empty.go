package main

import (
	"bytes"
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

// serveEmpty prints the address it listens on and answers every request with a 200 of
// so many bytes, until in ends: so it never outlives the process that started it.
func serveEmpty(in io.Reader, out io.Writer, replyBytes int) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	defer listener.Close()
	body := bytes.Repeat([]byte{' '}, replyBytes)
	server := fasthttp.Server{
		Handler: func(ctx *fasthttp.RequestCtx) {
			if replyBytes > 0 {
				ctx.SetContentType("application/json")
				ctx.Response.SetBodyRaw(body)
			}
		},
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
