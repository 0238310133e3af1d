package main

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"
)

func TestRepliesAreReadOneAfterTheOther(t *testing.T) {
	in := bufio.NewReader(strings.NewReader(
		"HTTP/1.1 201 Created\r\nServer: x\r\ncontent-length: 20\r\nHeadcount-Version: 0:7\r\n\r\n{\"status\":\"created\"}" +
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" +
			"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nRetry-After: 2\r\n" +
			"Content-Length: 2\r\nConnection: close\r\n\r\n{}"))
	var r reply
	for _, want := range []reply{
		{status: 201, body: []byte(`{"status":"created"}`)},
		{status: 200},
		{status: 503, problem: true, closing: true, retryAfter: 2 * time.Second, body: []byte("{}")},
	} {
		if err := r.read(in); err != nil {
			t.Fatal(err)
		}
		if r.status != want.status || r.problem != want.problem || r.closing != want.closing ||
			r.retryAfter != want.retryAfter || string(r.body) != string(want.body) {
			t.Errorf("got %+v, want %+v", r, want)
		}
	}
	if err := r.read(in); err != io.EOF {
		t.Errorf("after the last reply: %v, want the end", err)
	}
}

func TestMalformedRepliesAreErrors(t *testing.T) {
	for _, text := range []string{
		"SSH-2.0-OpenSSH_9.2\r\n",
		"HTTP/1.1 abc\r\n\r\n",
		"HTTP/1.1 2\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
		"HTTP/1.1 200 OK\r\nContent-Le",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*headerLineMax) + "\r\n\r\n",
	} {
		var r reply
		if err := r.read(bufio.NewReaderSize(strings.NewReader(text), headerLineMax)); err == nil || err == io.EOF {
			t.Errorf("%.60q was read as %+v, %v", text, r, err)
		}
	}
}

func BenchmarkReadReply(b *testing.B) {
	const text = "HTTP/1.1 201 Created\r\nServer: headcount\r\nDate: Tue, 14 Jun 2022 12:23:00 GMT\r\n" +
		"Content-Type: application/json\r\nContent-Length: 20\r\nHeadcount-Version: 0:1042\r\n\r\n{\"status\":\"created\"}"
	source := strings.NewReader(text)
	in := bufio.NewReaderSize(source, headerLineMax)
	var r reply
	b.ReportAllocs()
	for b.Loop() {
		source.Reset(text)
		in.Reset(source)
		if err := r.read(in); err != nil {
			b.Fatal(err)
		}
	}
}
