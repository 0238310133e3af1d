package api

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// instant is a service that answers at once, so that only the API is measured.
type instant struct {
	*town
	counts Counts
}

func (instant) Write(Write) (Outcome, ShardIndex, error) {
	return Created, ShardIndex{Shard: 3, Index: 123_456_789}, nil
}

func (instant) WriteAll(ws []Write, outcomes []Outcome) (Version, error) {
	for i := range outcomes {
		outcomes[i] = Created
	}
	return nil, nil
}

func (s instant) Counts(Read) (Counts, error) { return s.counts, nil }

func newInstant() instant {
	return instant{town: newTown(), counts: Counts{Body: bytes.Repeat([]byte(`{"title":"RU","usersCount":50052132},`), 1000)}}
}

const benchRecord = `{"ID":"fsas42aa3af","segment":"1aa1x","expiredSegment":1760086400}`

func BenchmarkDecodeRecord(b *testing.B) {
	for name, text := range map[string]string{"plain": benchRecord, "escaped": `{"ID":"fsas\u00e942aa3af","segment":"1\/aa1x"}`} {
		b.Run(name, func(b *testing.B) {
			data := make([]byte, len(text))
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				copy(data, text)
				if _, f := decodeRecord(data); f.found() {
					b.Fatal(f.text())
				}
			}
		})
	}
}

// prepared is a request that a handler can be given again and again.
func prepared(method, uri, contentType, body string) *fasthttp.RequestCtx {
	ctx := new(fasthttp.RequestCtx)
	ctx.Request.Header.SetMethod(method)
	ctx.Request.Header.SetRequestURI(uri)
	if contentType != "" {
		ctx.Request.Header.SetContentType(contentType)
	}
	if body != "" {
		ctx.Request.SetBodyString(body)
		ctx.Request.Header.SetContentLength(len(body))
	}
	return ctx
}

// benchmarkHandler measures the handler alone: routing, decoding, the reply.
func benchmarkHandler(b *testing.B, ctx *fasthttp.RequestCtx, status int) {
	handler := New(newInstant(), Options{}).Handler()
	b.ReportAllocs()
	for b.Loop() {
		ctx.Response.Reset()
		handler(ctx)
		if ctx.Response.StatusCode() != status {
			b.Fatalf("%d %s", ctx.Response.StatusCode(), ctx.Response.Body())
		}
	}
}

func BenchmarkPostOne(b *testing.B) {
	benchmarkHandler(b, prepared("POST", "/users", "application/json", benchRecord), 201)
}

func BenchmarkGetCounts(b *testing.B) {
	benchmarkHandler(b, prepared("GET", "/segments/count", "", ""), 200)
}

func BenchmarkGetCount(b *testing.B) {
	benchmarkHandler(b, prepared("GET", "/segments/sports/count?consistency=local", "", ""), 200)
}

func BenchmarkDeleteMembership(b *testing.B) {
	benchmarkHandler(b, prepared("DELETE", "/users/fsas42aa3af/segments/1aa1x", "", ""), 201)
}

// BenchmarkBulk measures bodies of 10,000 records; an op is one body.
func BenchmarkBulk(b *testing.B) {
	records := strings.Split(strings.Repeat(benchRecord+"\n", 9_999)+benchRecord, "\n")
	for name, ctx := range map[string]*fasthttp.RequestCtx{
		"ndjson": prepared("POST", "/users", "application/x-ndjson", strings.Join(records, "\n")),
		"array":  prepared("POST", "/users", "application/json", asArray(records)),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(ctx.Request.Body())))
			benchmarkHandler(b, ctx, 200)
			b.ReportMetric(float64(b.N*len(records))/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkPostOneServed measures fasthttp's loop too, over a connection that is
// only memory: everything but the kernel.
func BenchmarkPostOneServed(b *testing.B) {
	s := New(newInstant(), Options{})
	request := []byte(requestText("POST", "/users", benchRecord, asJSON, "User-Agent: bench"))
	b.ReportAllocs()
	conn := &memoryConn{request: request, left: b.N}
	b.ResetTimer()
	if err := s.http.ServeConn(conn); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if !bytes.Contains(conn.last, []byte("201 Created")) {
		b.Fatalf("%s", conn.last)
	}
}

// memoryConn gives the same request again and again, one at each read.
type memoryConn struct {
	request []byte
	left    int
	last    []byte // what was written last
}

func (c *memoryConn) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	c.left--
	return copy(p, c.request), nil
}

func (c *memoryConn) Write(p []byte) (int, error) {
	c.last = append(c.last[:0], p...)
	return len(p), nil
}

func (c *memoryConn) Close() error        { return nil }
func (c *memoryConn) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (c *memoryConn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (c *memoryConn) SetDeadline(time.Time) error      { return nil }
func (c *memoryConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memoryConn) SetWriteDeadline(time.Time) error { return nil }
