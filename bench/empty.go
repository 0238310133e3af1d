package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"

	"github.com/valyala/fasthttp"
)

// emptyCommand makes the bench a server that does nothing. It is started by load and
// is no part of the usage.
const emptyCommand = "empty"

// emptyBodyBytesMax is above the largest request of a load.
const emptyBodyBytesMax = 4 << 20

// emptyOptions are what an empty handler does all the same.
type emptyOptions struct {
	replyBytes int    // to send
	syncFile   string // to write the body into, in place, and sync, before the reply; "": none
}

// arguments of the command, as emptyArguments reads them.
func (o emptyOptions) arguments() []string { return []string{strconv.Itoa(o.replyBytes), o.syncFile} }

func emptyArguments(args []string) (o emptyOptions) {
	if len(args) == 2 {
		o.replyBytes, _ = strconv.Atoi(args[0]) // as arguments writes it
		o.syncFile = args[1]
	}
	return o
}

// serveEmpty prints the address it listens on and answers every request with a 200,
// until in ends: so it never outlives the process that started it.
func serveEmpty(in io.Reader, out io.Writer, o emptyOptions) error {
	synced, err := openSynced(o.syncFile)
	if err != nil {
		return err
	}
	defer synced.close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	defer listener.Close()
	body := bytes.Repeat([]byte{' '}, o.replyBytes)
	server := fasthttp.Server{
		Handler: func(ctx *fasthttp.RequestCtx) {
			if err := synced.write(ctx.PostBody()); err != nil {
				ctx.Error(err.Error(), fasthttp.StatusInternalServerError)
				return
			}
			if o.replyBytes > 0 {
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

// synced is a file whose beginning is overwritten again and again. Its size never
// changes, so that to sync it is to write those bytes and nothing else: no log that has
// to grow can be faster. Nil: there is none.
type synced struct {
	mu   sync.Mutex
	file *os.File
}

func openSynced(name string) (*synced, error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("the file to sync: %w", err)
	}
	s := &synced{file: file}
	if err := s.write(make([]byte, emptyBodyBytesMax)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return s, nil
}

func (s *synced) write(body []byte) error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.file.WriteAt(body, 0); err != nil {
		return fmt.Errorf("writing the file: %w", err)
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("syncing the file: %w", err)
	}
	return nil
}

func (s *synced) close() {
	if s != nil {
		s.file.Close()
	}
}
