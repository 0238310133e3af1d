package api

import (
	"bytes"
	"errors"
	"io"
	"net"

	"github.com/valyala/fasthttp"
)

var errBodyTooLarge = errors.New("the body is too large")

// body reads the body of one request, within a limit and to its declared end.
type body struct {
	stream   io.Reader
	declared int    // Content-Length in bytes; -1 for a chunked body
	limit    int    // bytes; the first byte beyond is [errBodyTooLarge]
	read     int    // bytes so far
	again    []byte // already taken from stream, to be read again
	whole    bytes.Reader
}

// open points b at the body of the request.
func (b *body) open(request *fasthttp.Request, stream io.Reader, limit int) {
	b.stream, b.limit, b.read, b.again = stream, limit, 0, nil
	b.declared = max(request.Header.ContentLength(), -1)
	if stream == nil {
		// Only outside a fasthttp server, without a body, or before the client was told to
		// send it, is there no stream.
		b.whole.Reset(request.Body())
		b.stream, b.declared = &b.whole, max(b.declared, b.whole.Len())
	}
}

// close lets go of the request's memory.
func (b *body) close() {
	b.stream, b.again = nil, nil
	b.whole.Reset(nil)
}

// tooLarge reports whether the header alone tells that the limit is passed.
func (b *body) tooLarge() bool { return b.declared > b.limit }

// Read implements [io.Reader]. A body that ends before its declared length is
// [io.ErrUnexpectedEOF]: fasthttp reports a client that hung up as the plain end.
func (b *body) Read(p []byte) (int, error) {
	if len(b.again) > 0 {
		n := copy(p, b.again)
		b.again = b.again[n:]
		return n, nil
	}
	if b.read > b.limit {
		return 0, errBodyTooLarge
	}
	// One byte more than is allowed, so that a larger body is noticed.
	p = p[:min(len(p), b.limit-b.read+1)]
	n, err := b.stream.Read(p)
	b.read += n
	switch {
	case b.read > b.limit:
		return n - 1, errBodyTooLarge
	case err == io.EOF && b.declared > b.read:
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// readAll appends the rest of the body to dst.
func (b *body) readAll(dst []byte) ([]byte, error) {
	for {
		var err error
		if dst, err = b.readSome(dst); err == io.EOF {
			return dst, nil
		} else if err != nil {
			return dst, err
		}
	}
}

// readSome appends what one read brings.
func (b *body) readSome(dst []byte) ([]byte, error) {
	if len(dst) == cap(dst) {
		dst = grow(dst, b.declared-b.read)
	}
	n, err := b.Read(dst[len(dst):cap(dst)])
	return dst[:len(dst)+n], err
}

// grow returns dst with room for more bytes, or for as many again where that is
// more or the rest is unknown.
func grow(dst []byte, more int) []byte {
	more = max(more, len(dst), 512)
	grown := make([]byte, len(dst), len(dst)+more)
	copy(grown, dst)
	return grown
}

// bodyProblem says which problem an error of reading a body is.
func bodyProblem(err error) (problemKind, string) {
	var timeout net.Error
	switch {
	case errors.Is(err, errBodyTooLarge):
		return problemTooLarge, "the body is larger than this node accepts (body_bytes_max, bulk_body_bytes_max): send less at once"
	case errors.As(err, &timeout) && timeout.Timeout():
		return problemTimeout, "the body did not arrive in time: send it faster, or less at once"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return problemBadRequest, "the body ends before its Content-Length: send all of it"
	default:
		return problemBadRequest, "the body is not framed as HTTP asks for: correct its chunks"
	}
}
