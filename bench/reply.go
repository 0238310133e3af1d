package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

const (
	headerLineMax = 4096 // bytes; also the reader's buffer
	replyBytesMax = 1 << 20
)

// reply is what a worker looks at in an HTTP reply. It is reused from one to the
// next, body and all.
type reply struct {
	status     int
	problem    bool          // the body is a problem document
	closing    bool          // the server closes the connection after it
	retryAfter time.Duration // 0 where the server named no time
	body       []byte
}

// read reads one whole reply of a known length. It is written by hand because the
// generator shares the processors with what it measures.
func (r *reply) read(in *bufio.Reader) error {
	*r = reply{body: r.body[:0]}
	line, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if r.status, err = statusOf(line); err != nil {
		return err
	}
	length := -1
	for {
		line, err = in.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("reading the header: %w", noEOF(err))
		}
		line = bytes.TrimSuffix(line[:len(line)-1], []byte{'\r'})
		if len(line) == 0 {
			break
		}
		if length, err = r.header(line, length); err != nil {
			return err
		}
	}
	if length < 0 || length > replyBytesMax {
		return fmt.Errorf("malformed reply: Content-Length is missing, or more than %d", replyBytesMax)
	}
	if cap(r.body) < length {
		r.body = make([]byte, length)
	}
	r.body = r.body[:length]
	if _, err := io.ReadFull(in, r.body); err != nil {
		return fmt.Errorf("reading the body: %w", noEOF(err))
	}
	return nil
}

// header takes in one header line and returns the body's length as known so far.
func (r *reply) header(line []byte, length int) (int, error) {
	// Most lines are about other things, and their first letter says so.
	switch line[0] | 0x20 {
	case 'c':
		if value, ok := valueOf(line, "content-length"); ok {
			n, err := strconv.Atoi(string(value))
			if err != nil || n < 0 {
				return 0, fmt.Errorf("malformed reply: Content-Length is %q", value)
			}
			return n, nil
		}
		if value, ok := valueOf(line, "content-type"); ok {
			r.problem = bytes.HasPrefix(value, []byte("application/problem+json"))
		} else if value, ok := valueOf(line, "connection"); ok {
			r.closing = bytes.EqualFold(value, []byte("close"))
		}
	case 'r':
		if value, ok := valueOf(line, "retry-after"); ok {
			if seconds, err := strconv.ParseUint(string(value), 10, 31); err == nil {
				r.retryAfter = time.Duration(seconds) * time.Second
			}
		}
	}
	return length, nil
}

// statusOf reads "HTTP/1.1 201 Created".
func statusOf(line []byte) (int, error) {
	rest, ok := bytes.CutPrefix(line, []byte("HTTP/1.1 "))
	if !ok || len(rest) < 3 {
		return 0, fmt.Errorf("malformed reply: it begins with %q", line[:min(len(line), 20)])
	}
	status := 0
	for _, digit := range rest[:3] {
		if digit < '0' || digit > '9' {
			return 0, fmt.Errorf("malformed reply: its status is %q", rest[:3])
		}
		status = 10*status + int(digit-'0')
	}
	return status, nil
}

// valueOf returns the value of a header line, if it is the one named in lower case.
func valueOf(line []byte, name string) ([]byte, bool) {
	if len(line) <= len(name) || line[len(name)] != ':' || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name)+1:]), true
}

// noEOF tells an end within a reply from one between two.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
