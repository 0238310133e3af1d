package api

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"
)

// gzipBytesMin is from which size on compressing pays: less goes out in one packet.
const gzipBytesMin = 1400

// representation is a body that many requests are answered with, in the forms in which
// it may be asked for (RFC 9110, sections 8.8.3 and 12.5.3). It is immutable.
type representation struct {
	body []byte
	tag  string // strong, with its quotes: the same bytes have the same on every node

	zip       sync.Once
	zipped    []byte
	zippedTag string
}

func represent(body []byte) *representation {
	sum := sha256.Sum256(body)
	text := hex.EncodeToString(sum[:16])
	return &representation{body: body, tag: `"` + text + `"`, zippedTag: `"` + text + `-gzip"`}
}

// gzip returns the body compressed. Whoever asks first does the work, the others wait.
func (r *representation) gzip() []byte {
	r.zip.Do(func() { r.zipped = fasthttp.AppendGzipBytesLevel(nil, r.body, fasthttp.CompressBestSpeed) })
	return r.zipped
}

// lastRepresentation keeps the representation of a body that is served again and again.
type lastRepresentation struct {
	last atomic.Pointer[representation]
}

// of returns the representation of a body, which nobody may change.
func (l *lastRepresentation) of(body []byte) *representation {
	// The last one keeps its body alive: the same place is the same body.
	if r := l.last.Load(); r != nil && len(r.body) == len(body) && len(body) > 0 && &r.body[0] == &body[0] {
		return r
	}
	r := represent(body)
	l.last.Store(r)
	return r
}

// replyRepresentation answers with a body, or that the client has it.
func (x *exchange) replyRepresentation(r *representation) {
	header := &x.ctx.Response.Header
	header.Set(fasthttp.HeaderVary, fasthttp.HeaderAcceptEncoding)
	header.Set(fasthttp.HeaderCacheControl, "no-cache") // a cache may keep it, and asks each time
	asked := &x.ctx.Request.Header
	body, tag := r.body, r.tag
	zip := len(r.body) >= gzipBytesMin && acceptsGzip(string(asked.Peek(fasthttp.HeaderAcceptEncoding)))
	if zip {
		tag = r.zippedTag
	}
	header.Set(fasthttp.HeaderETag, tag)
	if has := asked.Peek(fasthttp.HeaderIfNoneMatch); len(has) > 0 && namesTag(string(has), r.tag, r.zippedTag) {
		x.ctx.SetStatusCode(fasthttp.StatusNotModified)
		return
	}
	if zip {
		body = r.gzip()
		header.Set(fasthttp.HeaderContentEncoding, "gzip")
	}
	x.reply(fasthttp.StatusOK, body)
}

// namesTag reports whether If-None-Match names one of the tags. A weak tag matches the
// strong one with the same text.
func namesTag(header string, tags ...string) bool {
	for listed := range strings.SplitSeq(header, ",") {
		listed = strings.TrimPrefix(strings.TrimSpace(listed), "W/")
		if listed == "*" {
			return true
		}
		for _, tag := range tags {
			if listed == tag {
				return true
			}
		}
	}
	return false
}

// acceptsGzip reports whether Accept-Encoding allows gzip.
func acceptsGzip(header string) bool {
	others := false
	for coding := range strings.SplitSeq(header, ",") {
		name, weight, _ := strings.Cut(coding, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if name != "gzip" && name != "x-gzip" && name != "*" {
			continue
		}
		weight = strings.ReplaceAll(weight, " ", "")
		allowed := strings.Trim(strings.TrimPrefix(strings.ToLower(weight), "q="), "0.") != "" || weight == ""
		if name != "*" {
			return allowed
		}
		others = allowed
	}
	return others
}
