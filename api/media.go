package api

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// media is a set of the types that a body can be of.
type media uint8

const (
	mediaJSON media = 1 << iota
	mediaNDJSON
)

var (
	ndjsonType   = []byte("application/x-ndjson")
	charsetParam = []byte("charset")
	charsetUTF8  = []byte("utf-8")
	identity     = []byte("identity")
)

// openBody checks the type and the declared size of the body, and makes it ready to
// be read within limit bytes. A body of no type is taken for JSON.
func (x *exchange) openBody(limit int, accepted media) (media, bool) {
	header := &x.ctx.Request.Header
	if encoding := header.Peek(fasthttp.HeaderContentEncoding); len(encoding) > 0 && !bytes.EqualFold(encoding, identity) {
		x.problem(problemMediaType, "the body is compressed: send it without Content-Encoding")
		return 0, false
	}
	found := mediaOf(header.ContentType())
	if found&accepted == 0 {
		detail := "set Content-Type to application/json, with no charset but utf-8"
		if accepted&mediaNDJSON != 0 {
			detail = "set Content-Type to application/json or application/x-ndjson, with no charset but utf-8"
		}
		x.problem(problemMediaType, detail)
		return 0, false
	}
	x.body.open(&x.ctx.Request, x.ctx.RequestBodyStream(), limit)
	if x.body.tooLarge() {
		x.problem(bodyProblem(errBodyTooLarge))
		return 0, false
	}
	return found, true
}

// mediaOf returns the type that a Content-Type names, or 0 for a type or a charset
// that is not read here.
func mediaOf(contentType []byte) media {
	name, params, _ := bytes.Cut(contentType, []byte(";"))
	name, params = bytes.TrimSpace(name), bytes.TrimSpace(params)
	if len(params) > 0 {
		key, value, _ := bytes.Cut(params, []byte("="))
		value = bytes.Trim(value, `"`)
		if !bytes.EqualFold(key, charsetParam) || !bytes.EqualFold(value, charsetUTF8) {
			return 0
		}
	}
	switch {
	case len(name) == 0, bytes.EqualFold(name, jsonType):
		return mediaJSON
	case bytes.EqualFold(name, ndjsonType):
		return mediaNDJSON
	default:
		return 0
	}
}
