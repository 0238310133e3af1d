package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

func TestPanicCostsItsRequestOnly(t *testing.T) {
	town := newTown()
	town.panicking = "jinx"
	s := serve(t, town, Options{})
	neighbour := s.dial(t)
	defer neighbour.Close()
	replies := bufio.NewReader(neighbour)
	for _, got := range []reply{
		s.do(t, "DELETE", "/users/jinx", ""),
		s.post(t, asJSON, `{"ID":"jinx","segment":"sports"}`),
		s.post(t, asNDJSON, `{"ID":"u1","segment":"sports"}`+"\n"+`{"ID":"jinx","segment":"sports"}`),
	} {
		got.problem(t, 500)
		if !got.closes {
			t.Errorf("the connection is used again: %v", got)
		}
		fmt.Fprint(neighbour, requestText("GET", "/healthz", ""))
		if got := readReply(t, replies, "GET"); got.status != 200 {
			t.Errorf("the neighbour suffers: %v", got)
		}
	}
	if log := s.log.String(); !strings.Contains(log, "town hall burns") || !strings.Contains(log, "model_test.go") {
		t.Errorf("the log lacks the cause or the stack: %s", log)
	}
	if held := len(s.bulkSlots); held != 0 {
		t.Errorf("%d bulk slots are lost", held)
	}
	if metrics := s.do(t, "GET", "/metrics", "").body; !strings.Contains(metrics, "headcount_http_panics_total 3\n") {
		t.Errorf("%s", metrics)
	}
}

func TestConnectionIsUsedAgain(t *testing.T) {
	s := serve(t, newTown(), Options{})
	conn := s.dial(t)
	defer conn.Close()
	// Pipelined, good and bad, with and without chunks: each reply is in its place.
	requests := []struct {
		method, text string
		status       int
	}{
		{"POST", requestText("POST", "/users", `{"ID":"u1","segment":"a"}`), 201},
		{"POST", requestText("POST", "/users", `{"ID":"u1"}`), 400},
		{"HEAD", requestText("HEAD", "/segments/count", ""), 200},
		{"POST", "POST /users HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"ID\"\r\n14\r\n:\"u2\",\"segment\":\"a\"}\r\n0\r\n\r\n", 201},
		{"POST", requestText("POST", "/users", strings.Join(many(100, "v"), "\n"), asNDJSON), 200},
		{"POST", requestText("POST", "/nothing", strings.Repeat("x", 100_000)), 404},
		{"PUT", requestText("PUT", "/users", "unread"), 405},
		{"GET", requestText("GET", "/segments/a/count", ""), 200},
	}
	var text strings.Builder
	for _, r := range requests {
		text.WriteString(r.text)
	}
	sent := make(chan error, 1) // the one write below
	go func() {
		_, err := io.WriteString(conn, text.String())
		sent <- err
	}()
	replies := bufio.NewReader(conn)
	for i, r := range requests {
		if got := readReply(t, replies, r.method); got.status != r.status {
			t.Fatalf("reply %d: %v, want %d", i, got, r.status)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestExpectContinue(t *testing.T) {
	s := serve(t, newTown(), Options{})
	conn := s.dial(t)
	defer conn.Close()
	const body = `{"ID":"u1","segment":"a"}`
	fmt.Fprintf(conn, "POST /users HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))
	replies := bufio.NewReader(conn)
	line, err := replies.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := replies.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, body)
	if got := readReply(t, replies, "POST"); got.status != 201 {
		t.Errorf("%v", got)
	}
}

// A client that asks is not told to send what would be refused, but why.
func TestExpectOfATooLargeBody(t *testing.T) {
	s := serve(t, newTown(), Options{})
	for path, status := range map[string]int{"/users": 413, "/nothing": 404, "/segments/count": 405} {
		conn := s.dial(t)
		defer conn.Close()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: h\r\n%s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", path, asNDJSON, 9<<20)
		got := readReply(t, bufio.NewReader(conn), "POST")
		if got.problem(t, status); !got.closes {
			t.Errorf("%s: the connection stays open: %v", path, got)
		}
	}
}

// A client that sends all of a body that is refused, before it reads a reply, gets the reply.
func TestARefusalReachesAClientThatGoesOnSending(t *testing.T) {
	body := strings.Repeat("x", 20<<20)
	head := fmt.Sprintf("POST /users HTTP/1.1\r\nHost: h\r\n%s\r\nContent-Length: %d\r\n\r\n", asNDJSON, len(body))
	for name, c := range map[string]struct {
		options Options
		head    string
		status  int
	}{
		"a body too large":       {Options{}, head, 413},
		"a type that is unknown": {Options{}, strings.Replace(head, asNDJSON, "Content-Type: image/png", 1), 415},
		"another path":           {Options{}, strings.Replace(head, "/users", "/nothing", 1), 404},
		"a header too large":     {Options{}, strings.Replace(head, "Host: h", "Host: h\r\nX: "+strings.Repeat("x", 10<<10), 1), 431},
		"chunks":                 {Options{}, fmt.Sprintf("POST /users HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", len(body)), 413},
		"a limit for each IP":    {Options{ConnectionsPerIPMax: 10}, head, 413},
		"a middleware":           {Options{Middleware: func(next fasthttp.RequestHandler) fasthttp.RequestHandler { return next }}, head, 413},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, newTown(), c.options)
			for range 5 {
				conn := s.dial(t)
				defer conn.Close()
				if _, err := io.WriteString(conn, c.head+body); err != nil {
					t.Fatalf("the connection ended under the body: %v", err)
				}
				if got := readReply(t, bufio.NewReader(conn), "POST"); got.status != c.status {
					t.Fatalf("%v, want %d", got, c.status)
				}
			}
		})
	}
}

// One that never ends does not keep its connection.
func TestLingeringEnds(t *testing.T) {
	s := serve(t, newTown(), Options{})
	conn := s.dial(t)
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "POST /users HTTP/1.1\r\nHost: h\r\n%s\r\nContent-Length: %d\r\n\r\nx", asNDJSON, 9<<20); err != nil {
		t.Fatal(err)
	}
	readReply(t, bufio.NewReader(conn), "POST").problem(t, 413)
	began := time.Now()
	for ; time.Since(began) < testTimeout; time.Sleep(10 * time.Millisecond) {
		if _, err := io.WriteString(conn, "x"); err != nil {
			return
		}
	}
	t.Error("the connection stays open")
}

func TestSlowAndCutRequests(t *testing.T) {
	s := serve(t, newTown(), Options{ReadTimeout: 100 * time.Millisecond})
	first := many(1, "u")[0] + "\n"
	cases := []struct {
		name, request string
		hangUp        bool
		status        int
		created       uint64
	}{
		{"a header that stops", "POST /users HTTP/1.1\r\nHo", false, 408, 0},
		{"a body that never comes", "POST /users HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n", false, 408, 0},
		{"a body that stops", "POST /users HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n{", false, 408, 0},
		{"a body that is cut", "POST /users HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n{", true, 400, 0},
		{"a record that is whole but for the length", "POST /users HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\n" + first, true, 400, 0},
		{"NDJSON that stops", "POST /users HTTP/1.1\r\nHost: h\r\n" + asNDJSON + "\r\nContent-Length: 100\r\n\r\n" + first + `{"ID`, false, 408, 1},
		{"NDJSON that is cut", "POST /users HTTP/1.1\r\nHost: h\r\n" + asNDJSON + "\r\nContent-Length: 100\r\n\r\n" + first + `{"ID`, true, 400, 1},
		{"an array that is cut", "POST /users HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n[" + first + `,{"ID`, true, 400, 1},
		{"chunks that are cut", "POST /users HTTP/1.1\r\nHost: h\r\n" + asNDJSON + "\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + first, true, 400, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s.town.Write(Write{Op: OpErase, ID: []byte("u0")})
			conn := s.dial(t)
			defer conn.Close()
			io.WriteString(conn, c.request)
			if c.hangUp {
				conn.(*net.TCPConn).CloseWrite()
			}
			got := readReply(t, bufio.NewReader(conn), "POST")
			if p := got.problem(t, c.status); p.Created != c.created {
				t.Errorf("%v, want %d created", got, c.created)
			}
			if held := len(s.town.snapshot()); held != int(c.created) {
				t.Errorf("%d held, want %d", held, c.created)
			}
			s.alive(t)
		})
	}
}

// A bulk body may take longer than ReadTimeout if each of its chunks does not.
func TestSlowCommitsDoNotTimeOutTheBody(t *testing.T) {
	const readTimeout = 200 * time.Millisecond
	town := newTown()
	writes := 0
	town.refuse = func(Write) (Outcome, error) {
		if writes++; writes%ChunkRecordsMax == 1 {
			time.Sleep(readTimeout) // the slow commit itself, not a wait for something
		}
		return Created, nil
	}
	s := serve(t, town, Options{ReadTimeout: readTimeout})
	body := strings.Join(many(4*ChunkRecordsMax, "u"), "\n")
	started := time.Now()
	if got := s.post(t, asNDJSON, body); got.status != 200 {
		t.Errorf("%v", got)
	}
	if took := time.Since(started); took < 4*readTimeout {
		t.Errorf("took %v: the commits were not slow", took)
	}
}

func TestTooManyConnectionsOfOneIP(t *testing.T) {
	s := serve(t, newTown(), Options{ConnectionsPerIPMax: 1})
	held := s.dial(t)
	defer held.Close()
	replies := bufio.NewReader(held)
	fmt.Fprint(held, requestText("GET", "/healthz", ""))
	if got := readReply(t, replies, "GET"); got.status != 200 {
		t.Fatalf("%v", got)
	}
	// Nothing is sent, so that no unread byte resets the connection.
	if got := s.raw(t, "GET", ""); got.status != 429 {
		t.Errorf("%v", got)
	}
}

func TestTooManyBulkRequestsWaitTheirTurn(t *testing.T) {
	s := serve(t, newTown(), Options{})
	for range cap(s.bulkSlots) {
		s.bulkSlots <- struct{}{}
	}
	done := make(chan reply, 1) // the one request below
	go func() { done <- s.post(t, asNDJSON, many(1, "u")[0]) }()
	waitFor(t, "the request is served", func() bool { return s.metrics.inFlight.Load() == 1 })
	select {
	case got := <-done:
		t.Fatalf("did not wait: %v", got)
	default:
	}
	<-s.bulkSlots
	if got := <-done; got.status != 200 {
		t.Errorf("%v", got)
	}
}

func waitFor(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(testTimeout); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func TestMiddlewareAnswersInARoutesPlace(t *testing.T) {
	s := serve(t, newTown(), Options{Middleware: func(next fasthttp.RequestHandler) fasthttp.RequestHandler {
		return func(ctx *fasthttp.RequestCtx) {
			switch string(ctx.Request.Header.Peek("Authorization")) {
			case "Bearer good":
				next(ctx)
			case "Bearer bomb":
				panic("boom")
			default:
				ctx.SetStatusCode(401)
			}
		}
	}})
	const record = `{"ID":"u1","segment":"sports"}`
	for token, status := range map[string]int{"good": 201, "bad": 401, "bomb": 500} {
		if got := s.do(t, "POST", "/users", record, "Authorization: Bearer "+token); got.status != status {
			t.Errorf("%s: %v", token, got)
		}
	}
	if held := len(s.town.snapshot()); held != 1 {
		t.Errorf("%d held", held)
	}
	got := s.do(t, "GET", "/metrics", "", "Authorization: Bearer good")
	if !strings.Contains(got.body, `headcount_http_requests_total{method="POST",route="/users",code="401"} 1`) {
		t.Errorf("%v", got)
	}
}

func TestMetrics(t *testing.T) {
	s := serve(t, newTown(), Options{})
	s.post(t, asJSON, `{"ID":"u1","segment":"sports"}`)
	s.post(t, asJSON, `{"ID":"u1","segment":"sports"}`)
	s.post(t, asJSON, `{"ID":"u1"}`)
	s.do(t, "GET", "/users/u1", "")
	s.do(t, "HEAD", "/users/u2", "")
	s.do(t, "GET", "/nothing/of/the/kind", "")
	s.raw(t, "GET", "hello\r\n\r\n")
	got := s.do(t, "GET", "/metrics", "")
	if got.status != 200 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") {
		t.Fatalf("%v", got)
	}
	for _, line := range []string{
		`headcount_http_requests_total{method="POST",route="/users",code="201"} 1`,
		`headcount_http_requests_total{method="POST",route="/users",code="200"} 1`,
		`headcount_http_requests_total{method="POST",route="/users",code="400"} 1`,
		`headcount_http_requests_total{method="GET",route="/users/{ID}",code="200"} 2`,
		`headcount_http_requests_total{method="",route="unknown-path",code="404"} 1`,
		`headcount_http_requests_total{method="",route="malformed",code="400"} 1`,
		`headcount_http_request_duration_seconds_bucket{method="POST",route="/users",le="+Inf"} 3`,
		`headcount_http_request_duration_seconds_count{method="POST",route="/users"} 3`,
		`headcount_http_requests_in_flight 1`,
		`headcount_town_people 3`,
	} {
		if !strings.Contains(got.body, line+"\n") {
			t.Errorf("the metrics lack %s:\n%s", line, got.body)
		}
	}
}

func TestShutdownLetsRequestsEnd(t *testing.T) {
	town := newTown()
	arrived, release := make(chan struct{}), make(chan struct{})
	town.refuse = func(Write) (Outcome, error) {
		close(arrived)
		<-release
		return 0, nil
	}
	s := serve(t, town, Options{})
	idle := s.dial(t)
	defer idle.Close()
	fmt.Fprint(idle, requestText("GET", "/healthz", ""))
	readReply(t, bufio.NewReader(idle), "GET")
	done := make(chan reply, 1) // the one request below
	go func() { done <- s.post(t, asJSON, `{"ID":"u1","segment":"sports"}`) }()
	<-arrived
	stopped := make(chan error, 1) // the one Shutdown below
	go func() { stopped <- s.Shutdown(context.Background()) }()
	if n, err := idle.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the idle connection: %d bytes, %v, want the end", n, err)
	}
	select {
	case err := <-stopped:
		t.Fatalf("shut down under a request: %v", err)
	default:
	}
	close(release)
	if got := <-done; got.status != 201 {
		t.Errorf("%v", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(ln); !errors.Is(err, ErrServerClosed) {
		t.Errorf("serving after the end: %v", err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is left open: %v", err)
	}
}

func TestShutdownCutsWhatDoesNotEnd(t *testing.T) {
	town := newTown()
	arrived, release := make(chan struct{}), make(chan struct{})
	town.refuse = func(Write) (Outcome, error) {
		close(arrived)
		<-release
		return 0, nil
	}
	s := serve(t, town, Options{})
	conn := s.dial(t)
	defer conn.Close()
	fmt.Fprint(conn, requestText("POST", "/users", `{"ID":"u1","segment":"sports"}`))
	<-arrived
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 connections cut") {
		t.Errorf("%v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the connection is left open: %v", err)
	}
	close(release)
}
