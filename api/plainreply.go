package api

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// plainReply is a reply that a front writes by itself, in the form that fasthttp
// gives those of the routes.
type plainReply struct {
	date   []byte     // as in a Date header
	index  ShardIndex // Index 0: none
	closes bool       // the connection ends after it
}

// append builds the reply to a write that was done.
func (r *plainReply) append(dst []byte, reply *writeReply) []byte {
	dst = r.appendHead(dst, reply.status, jsonType, len(reply.body))
	return append(append(dst, "\r\n"...), reply.body...)
}

// appendCounts builds the head of a reply with the counts; the body goes out behind it.
func (r *plainReply) appendCounts(dst []byte, counts *representation) []byte {
	dst = r.appendHead(dst, http.StatusOK, jsonType, len(counts.body))
	dst = append(dst, "Vary: Accept-Encoding\r\nCache-Control: no-cache\r\nEtag: "...)
	dst = append(dst, counts.tag...)
	return append(dst, "\r\n\r\n"...)
}

// appendProblem builds a problem reply.
func (r *plainReply) appendProblem(dst []byte, kind problemKind, detail string, retryAfter time.Duration) []byte {
	document := appendProblem(nil, kind, detail, nil)
	dst = r.appendHead(dst, kind.status, problemType, len(document))
	if seconds := retrySeconds(kind, retryAfter); seconds > 0 {
		dst = append(dst, "Retry-After: "...)
		dst = strconv.AppendInt(dst, seconds, 10)
		dst = append(dst, "\r\n"...)
	}
	return append(append(dst, "\r\n"...), document...)
}

func (r *plainReply) appendHead(dst []byte, status int, contentType []byte, length int) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(status)...)
	dst = append(dst, "\r\nServer: "+serverName+"\r\nDate: "...)
	dst = append(dst, r.date...)
	dst = append(dst, "\r\nContent-Type: "...)
	dst = append(dst, contentType...)
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(length), 10)
	dst = append(dst, "\r\n"...)
	if r.index.Index > 0 {
		dst = append(append(dst, headerVersion...), ": "...)
		dst = r.index.append(dst)
		dst = append(dst, "\r\n"...)
	}
	if r.closes {
		dst = append(dst, "Connection: close\r\n"...)
	}
	return dst
}

// dateText is the present second as a Date header has it, formatted once a second.
type dateText struct{ last atomic.Pointer[datedSecond] }

type datedSecond struct {
	second int64
	text   []byte
}

func (d *dateText) at(now time.Time) []byte {
	last := d.last.Load()
	if last == nil || last.second != now.Unix() {
		last = &datedSecond{now.Unix(), now.UTC().AppendFormat(nil, http.TimeFormat)}
		d.last.Store(last)
	}
	return last.text
}
