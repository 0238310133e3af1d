package api

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// unfronted is a server whose fronts answer nothing themselves, because of a middleware.
func unfronted(t *testing.T, town *town) *served {
	return serve(t, town, Options{Middleware: func(next fasthttp.RequestHandler) fasthttp.RequestHandler { return next }})
}

// Whatever the request, a client cannot tell whether a front or a route answered.
func TestAFrontAnswersAsTheRoutesDo(t *testing.T) {
	const record = `{"ID":"u1","segment":"sports"}`
	head := func(lines ...string) string {
		return "POST /users HTTP/1.1\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
	}
	length := fmt.Sprintf("Content-Length: %d", len(record))
	for name, c := range map[string]struct {
		request string
		plain   bool // a front answers it
	}{
		"plain":                    {requestText("POST", "/users", record, asJSON), true},
		"plain without a type":     {requestText("POST", "/users", record), true},
		"lower-case names":         {head("host: h", "content-type: application/json; charset=utf-8", strings.ToLower(length)) + record, true},
		"behind a proxy":           {head("Host: h", "X-Forwarded-For: 10.0.0.1", "Via: 1.1 lb", "Connection: keep-alive", length) + record, true},
		"with an expiry":           {requestText("POST", "/users", `{"ID":"u1","segment":"s","expiredSegment":1}`), true},
		"space around":             {requestText("POST", "/users", " \r\n"+record), false},
		"escapes":                  {requestText("POST", "/users", `{"ID":"\u0041","segment":"s"}`), false},
		"raw UTF-8":                {requestText("POST", "/users", `{"ID":"Łódź","segment":"s"}`), true},
		"bad UTF-8":                {requestText("POST", "/users", "{\"ID\":\"\xff\",\"segment\":\"s\"}"), false},
		"a key twice":              {requestText("POST", "/users", `{"ID":"a","ID":"b","segment":"s"}`), false},
		"bytes after it":           {requestText("POST", "/users", record+"x"), false},
		"an array":                 {requestText("POST", "/users", "["+record+"]"), false},
		"NDJSON":                   {requestText("POST", "/users", record, asNDJSON), false},
		"another type":             {requestText("POST", "/users", record, "Content-Type: text/plain"), false},
		"compressed":               {requestText("POST", "/users", record, "Content-Encoding: gzip"), false},
		"too far ahead":            {requestText("POST", "/users", `{"ID":"u1","segment":"s","expiredSegment":99999999999}`), false},
		"too large":                {requestText("POST", "/users", `{"ID":"u1","segment":"s"`+strings.Repeat(" ", 70<<10)+"}"), false},
		"no body":                  {requestText("POST", "/users", ""), false},
		"a query":                  {requestText("POST", "/users?x=1", record), false},
		"another path":             {requestText("POST", "/users/", record), false},
		"HTTP/1.0":                 {"POST /users HTTP/1.0\r\nHost: h\r\n" + length + "\r\n\r\n" + record, false},
		"the last of a connection": {head("Host: h", "Connection: close", length) + record, false},
		"no host":                  {head(length) + record, false},
		"a host and a port":        {head("Host: counts-1.example:8000", length) + record, true},
		"a host that is none":      {head("Host: a b", length) + record, false},
		"a host in brackets":       {head("Host: [::1]:8000", length) + record, false},
		"two hosts":                {head("Host: h", "Host: i", length) + record, false},
		"two lengths":              {head("Host: h", length, "Content-Length: 1") + record, false},
		"a signed length":          {head("Host: h", fmt.Sprintf("Content-Length: +%d", len(record))) + record, false},
		"a length and chunks":      {head("Host: h", length, "Transfer-Encoding: chunked") + "0\r\n\r\n", false},
		"a folded header":          {head("Host: h", "X-Long: a", " b", length) + record, false},
		"a space before the colon": {head("Host : h", length) + record, false},

		"counts":                       {requestText("GET", "/segments/count", ""), true},
		"counts for a browser's fetch": {requestText("GET", "/segments/count", "", "User-Agent: x", "Accept: */*", "Connection: keep-alive"), true},
		"counts, perhaps compressed":   {requestText("GET", "/segments/count", "", "Accept-Encoding: gzip"), false},
		"counts, if they are others":   {requestText("GET", "/segments/count", "", `If-None-Match: "x"`), false},
		"counts of a version":          {requestText("GET", "/segments/count", "", "Headcount-Min-Version: 0:1"), false},
		"counts with a body":           {requestText("GET", "/segments/count", "", "Content-Length: 2") + "{}", false},
		"counts with an empty body":    {requestText("GET", "/segments/count", "", "Content-Length: 0"), false},
		"counts with a type":           {requestText("GET", "/segments/count", "", asJSON), false},
		"some counts":                  {requestText("GET", "/segments/count?limit=1", ""), false},
		"the head of counts":           {requestText("HEAD", "/segments/count", ""), false},
		"counts, and no host":          {"GET /segments/count HTTP/1.1\r\n\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			fronted, plain := newTown(), newTown()
			for _, town := range []*town{fronted, plain} {
				for i := range 300 {
					town.people(map[string]int{fmt.Sprintf("segment %d", i): 1})
				}
			}
			with, without := serve(t, fronted, Options{}), unfronted(t, plain)
			if _, ok := with.plainRequest([]byte(c.request)); ok != c.plain {
				t.Errorf("a front answers it: %v, want %v", ok, c.plain)
			}
			method, _, _ := strings.Cut(c.request, " ")
			got, want := with.raw(t, method, c.request), without.raw(t, method, c.request)
			got.header.Del("Date")
			want.header.Del("Date")
			if !reflect.DeepEqual(got, want) {
				t.Errorf("the reply is %v\nwant %v", got, want)
			}
			if !reflect.DeepEqual(fronted.snapshot(), plain.snapshot()) {
				t.Errorf("held are %v, want %v", fronted.snapshot(), plain.snapshot())
			}
		})
	}
}

// Not only the fields: their order and their spelling too.
func TestAFrontWritesTheBytesOfTheRoutes(t *testing.T) {
	for _, request := range []string{
		requestText("POST", "/users", `{"ID":"u1","segment":"sports"}`),
		requestText("GET", "/segments/count", ""),
	} {
		got, want := serve(t, newTown(), Options{}).bytes(t, request), unfronted(t, newTown()).bytes(t, request)
		if got != want {
			t.Errorf("the reply is\n%s\nwant\n%s", got, want)
		}
	}
}

var dateLine = regexp.MustCompile(`\r\nDate: [^\r]*`)

// bytes returns all that comes for a request, without its date.
func (s *served) bytes(t *testing.T, request string) string {
	t.Helper()
	conn := s.dial(t)
	defer conn.Close()
	io.WriteString(conn, request)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	reply, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return dateLine.ReplaceAllString(string(reply), "")
}

func TestAFrontReportsFailuresAsTheRoutesDo(t *testing.T) {
	for _, c := range []struct {
		outcome Outcome
		err     error
	}{
		{outcome: SegmentsFull},
		{outcome: OutboxFull},
		{outcome: NotApplied},
		{outcome: NotApplied, err: &Failure{Kind: NotAppliedFailure, RetryAfter: 3 * time.Second, Detail: "no leader"}},
		{outcome: Unknown, err: &Failure{Kind: UnknownFailure, Detail: "reply lost"}},
		{outcome: 0, err: &Failure{Kind: Refused, Detail: "not now"}},
		{outcome: 0, err: errors.New("unforeseen")},
	} {
		refuse := func(Write) (Outcome, error) { return c.outcome, c.err }
		fronted, plain := newTown(), newTown()
		fronted.refuse, plain.refuse = refuse, refuse
		request := requestText("POST", "/users", `{"ID":"u1","segment":"sports"}`)
		got, want := serve(t, fronted, Options{}).raw(t, "POST", request), unfronted(t, plain).raw(t, "POST", request)
		got.header.Del("Date")
		want.header.Del("Date")
		if !reflect.DeepEqual(got, want) {
			t.Errorf("outcome %d, %v: the reply is %v\nwant %v", c.outcome, c.err, got, want)
		}
	}
	for _, err := range []error{
		&Failure{Kind: NotAppliedFailure, RetryAfter: 3 * time.Second, Detail: "not loaded yet"},
		&Failure{Kind: Refused},
		errors.New("unforeseen"),
	} {
		fronted, plain := newTown(), newTown()
		fronted.readErr, plain.readErr = err, err
		request := requestText("GET", "/segments/count", "")
		got, want := serve(t, fronted, Options{}).bytes(t, request), unfronted(t, plain).bytes(t, request)
		if got != want {
			t.Errorf("%v: the reply is\n%s\nwant\n%s", err, got, want)
		}
	}
}

// What looks like a request is one only where a request may begin.
func TestABodyIsNotTakenForARequest(t *testing.T) {
	inner := requestText("POST", "/users", `{"ID":"smuggled","segment":"sports"}`)
	for name, c := range map[string]struct {
		parts    []string // written one after the other
		statuses []int
	}{
		"a body that comes late": {
			[]string{fmt.Sprintf("POST /nothing HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", len(inner)), inner},
			[]int{404},
		},
		"a header that comes in two parts, behind a request": {
			[]string{requestText("GET", "/healthz", "") + "POST /nothing HTTP/1.1\r\nHost: h\r\nX-A: b\r\n", fmt.Sprintf("Content-Length: %d\r\n\r\n", len(inner)), inner},
			[]int{200, 404},
		},
		"a body that comes late, behind plain writes": {
			[]string{
				requestText("POST", "/users", `{"ID":"u1","segment":"s"}`),
				fmt.Sprintf("POST /users HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", len(inner)), inner,
			},
			[]int{201, 415},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, newTown(), Options{})
			conn := s.dial(t)
			defer conn.Close()
			for _, part := range c.parts {
				io.WriteString(conn, part)
				time.Sleep(20 * time.Millisecond) // so that it is read by itself
			}
			replies := bufio.NewReader(conn)
			for _, status := range c.statuses {
				if got := readReply(t, replies, "POST"); got.status != status {
					t.Errorf("%v, want %d", got, status)
				}
			}
			for key := range s.town.snapshot() {
				if strings.Contains(fmt.Sprint(key), "smuggled") {
					t.Errorf("%v is held", key)
				}
			}
		})
	}
}

func TestTimesAreKeptBehindAFront(t *testing.T) {
	s := serve(t, newTown(), Options{ReadTimeout: 100 * time.Millisecond, IdleTimeout: 200 * time.Millisecond})
	write := requestText("POST", "/users", `{"ID":"u1","segment":"s"}`)

	slow := s.dial(t)
	defer slow.Close()
	replies := bufio.NewReader(slow)
	for range 2 {
		io.WriteString(slow, write)
		readReply(t, replies, "POST")
	}
	io.WriteString(slow, write[:30]) // and no more
	if got := readReply(t, replies, "POST"); got.status != 408 {
		t.Errorf("half a request after plain ones: %v", got)
	}

	idle := s.dial(t)
	defer idle.Close()
	io.WriteString(idle, write)
	replies = bufio.NewReader(idle)
	readReply(t, replies, "POST")
	began := time.Now()
	if _, err := replies.ReadByte(); err != io.EOF {
		t.Errorf("an idle connection: %v, want its end", err)
	}
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("an idle connection was closed after %v", took)
	}
}

// FuzzPlainRequest compares what a front takes for a plain request with fasthttp's
// reading of the same bytes.
func FuzzPlainRequest(f *testing.F) {
	f.Add([]byte(requestText("POST", "/users", benchRecord, asJSON, "User-Agent: x", "X-Request-Id: 7")))
	f.Add([]byte("POST /users HTTP/1.1\r\nhost: h\r\nconnection: Keep-Alive\r\ncontent-length: 2\r\n\r\n{}"))
	f.Add([]byte("POST /users HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nX-A: \r\n\r\n{}"))
	f.Add([]byte("GET /segments/count HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		body, write := plainBody(data)
		counts := isPlainCounts(data)
		if !bytes.Equal(before, data) {
			t.Fatal("the request was changed")
		}
		if !write && !counts {
			return
		}
		in := bufio.NewReader(bytes.NewReader(data))
		var r fasthttp.Request
		if err := r.Read(in); err != nil {
			t.Fatalf("fasthttp refuses it: %v", err)
		}
		if rest, _ := io.ReadAll(in); len(rest) > 0 {
			t.Errorf("fasthttp reads %d bytes less", len(rest))
		}
		h := &r.Header
		if counts {
			if !h.IsGet() || string(h.RequestURI()) != "/segments/count" || len(r.Body()) > 0 || h.ConnectionClose() ||
				len(h.Peek("Accept-Encoding")) > 0 || len(h.Peek("If-None-Match")) > 0 {
				t.Errorf("fasthttp reads %v", &r)
			}
			return
		}
		if !h.IsPost() || string(h.RequestURI()) != "/users" || !bytes.Equal(r.Body(), body) || h.ConnectionClose() || r.MayContinue() {
			t.Errorf("fasthttp reads %v", &r)
		}
		if encoding := h.Peek("Content-Encoding"); mediaOf(h.ContentType()) != mediaJSON || len(encoding) > 0 {
			t.Errorf("fasthttp reads a body of %q, %q", h.ContentType(), encoding)
		}
	})
}

// BenchmarkPostOneFronted is [BenchmarkPostOneServed] with a front.
func BenchmarkPostOneFronted(b *testing.B) {
	s := New(newInstant(), Options{})
	request := []byte(requestText("POST", "/users", benchRecord, asJSON, "User-Agent: bench"))
	b.ReportAllocs()
	conn := &memoryConn{request: request, left: b.N}
	b.ResetTimer()
	if err := s.http.ServeConn(&front{Conn: conn, server: s, between: true}); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if !bytes.Contains(conn.last, []byte("201 Created")) {
		b.Fatalf("%s", conn.last)
	}
}

func TestAFrontClosesAfterItsReply(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	town := newTown()
	arrived, release := make(chan struct{}), make(chan struct{})
	town.refuse = func(Write) (Outcome, error) {
		close(arrived)
		<-release
		return Created, nil
	}
	f := &front{Conn: ours, server: New(town, Options{}), between: true}
	ended := make(chan error, 1) // the one Read below
	go func() {
		_, err := f.Read(make([]byte, headerBytesMax))
		ended <- err
	}()
	io.WriteString(theirs, requestText("POST", "/users", `{"ID":"u1","segment":"s"}`))
	<-arrived
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	close(release)
	if got := readReply(t, bufio.NewReader(theirs), "POST"); got.status != 201 {
		t.Errorf("%v", got)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection goes on: %v", err)
	}
}
