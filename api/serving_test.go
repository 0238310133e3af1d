package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// served is a server of the API on a loopback port, with a town behind it.
type served struct {
	*Server
	town    *town
	address string
	log     *logBuffer
}

const testTimeout = 10 * time.Second

func serve(t testing.TB, town *town, options Options) *served {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := &logBuffer{}
	options.Logger = slog.New(slog.NewTextHandler(log, nil))
	s := &served{Server: New(town, options), town: town, address: ln.Addr().String(), log: log}
	done := make(chan error, 1) // Serve returns once
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutting down: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	return s
}

func (s *served) dial(t testing.TB) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(testTimeout)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// reply is a complete reply.
type reply struct {
	status int
	header http.Header
	body   string
	closes bool // the server ends the connection
}

func (r reply) String() string { return fmt.Sprintf("%d %v %s", r.status, r.header, r.body) }

// decode reads the body as JSON.
func (r reply) decode(t testing.TB, value any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), value); err != nil {
		t.Fatalf("%v: %v", r, err)
	}
}

// problemDocument is the body of a refusal.
type problemDocument struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	bulkDocument
}

// bulkDocument is what a bulk reply says.
type bulkDocument struct {
	Created, Renewed, Unchanged, Expired, Rejected, NotApplied, Unknown uint64

	Rejections []struct {
		Record uint64
		Reason string
	}
}

// problem checks that r is a well-formed refusal, and returns it.
func (r reply) problem(t testing.TB, status int) problemDocument {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d wanted: %v", status, r)
	}
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q: %v", got, r)
	}
	if retry := r.header.Get("Retry-After"); status == 503 && (retry == "" || retry == "0") {
		t.Errorf("503 without Retry-After: %v", r)
	}
	var p problemDocument
	r.decode(t, &p)
	if p.Status != status || p.Title == "" || p.Detail == "" || !strings.HasPrefix(p.Type, problemURN) {
		t.Errorf("incomplete problem document: %v", r)
	}
	return p
}

// raw sends bytes over a connection of their own, and reads one reply.
func (s *served) raw(t testing.TB, method, request string) reply {
	t.Helper()
	conn := s.dial(t)
	defer conn.Close()
	// A refused request may not be read to its end: the reply is what counts.
	_, _ = io.WriteString(conn, request)
	return readReply(t, bufio.NewReader(conn), method)
}

func readReply(t testing.TB, r *bufio.Reader, method string) reply {
	t.Helper()
	response, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("reading a reply: %v", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("reading a reply: %v", err)
	}
	return reply{response.StatusCode, response.Header, string(body), response.Close}
}

// do sends one request as it is, with the headers given as "Name: value".
func (s *served) do(t testing.TB, method, target, body string, headers ...string) reply {
	t.Helper()
	return s.raw(t, method, requestText(method, target, body, headers...))
}

func requestText(method, target, body string, headers ...string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: headcount\r\n", method, target)
	for _, header := range headers {
		text.WriteString(header + "\r\n")
	}
	if body != "" || method == "POST" {
		fmt.Fprintf(&text, "Content-Length: %d\r\n", len(body))
	}
	return text.String() + "\r\n" + body
}

const (
	asJSON   = "Content-Type: application/json"
	asNDJSON = "Content-Type: application/x-ndjson"
)

// post sends a body of the given type to /users.
func (s *served) post(t testing.TB, contentType, body string) reply {
	t.Helper()
	return s.do(t, "POST", "/users", body, contentType)
}

// alive fails the test when the server answers no more.
func (s *served) alive(t testing.TB) {
	t.Helper()
	if got := s.do(t, "GET", "/healthz", ""); got.status != 200 {
		t.Fatalf("the server is not alive: %v", got)
	}
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu struct {
		sync.Mutex
		bytes.Buffer
	}
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.Buffer.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.Buffer.String()
}
