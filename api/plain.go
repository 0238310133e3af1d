package api

import "bytes"

// The request lines of plain requests.
const (
	plainWriteLine  = "POST /users HTTP/1.1\r\n"
	plainCountsLine = "GET /segments/count HTTP/1.1\r\n"
)

// plainRequest is a request that a front answers.
type plainRequest struct {
	route *route
	write Write // where the route is that of writes
}

// plainRequest reads a whole request that is a plain one, or reports that it is not.
func (s *Server) plainRequest(data []byte) (plainRequest, bool) {
	if isPlainCounts(data) {
		return plainRequest{route: s.routes.counts}, true
	}
	w, ok := s.plainWrite(data)
	return plainRequest{route: s.routes.write, write: w}, ok
}

// isPlainCounts reports whether data is a whole request for the counts of all segments
// as they are, which asks for no other form of them.
func isPlainCounts(data []byte) bool {
	h, rest, ok := plainHead(data, plainCountsLine)
	return ok && len(rest) == 0 && h.length == 0 && !h.typed && !h.coded
}

// plainWrite reads a whole request that is a plain single write, or reports that it
// is not one. It does not change data in that case. It is strict: what it takes,
// fasthttp and the routes would take and answer alike, and whatever it does not know
// or like, they judge and find the words for.
func (s *Server) plainWrite(data []byte) (Write, bool) {
	body, ok := plainBody(data)
	if !ok || len(body) > s.options.BodyBytesMax {
		return Write{}, false
	}
	// An escape would be decoded in place; anything but an object is another route.
	if bytes.IndexByte(body, '\\') >= 0 || body[0] != '{' {
		return Write{}, false
	}
	r, f := decodeRecord(body)
	if f.found() {
		return Write{}, false
	}
	w, f := expiriesAt(s.service.Now(), s.options.DefaultLifetime, s.options.LifetimeMax).put(r)
	return w, !f.found()
}

// plainBody returns the body, not empty, of a request that data holds exactly.
func plainBody(data []byte) ([]byte, bool) {
	h, rest, ok := plainHead(data, plainWriteLine)
	return rest, ok && h.length > 0 && h.length == len(rest)
}

// plainHead reads the head of a request that begins with a line, and returns what
// comes after it.
func plainHead(data []byte, line string) (h plainHeader, rest []byte, ok bool) {
	if len(data) < len(line) || string(data[:len(line)]) != line {
		return h, nil, false
	}
	for rest = data[len(line):]; ; {
		end := bytes.IndexByte(rest, '\n')
		if end < 1 || rest[end-1] != '\r' {
			return h, nil, false
		}
		field := rest[:end-1]
		rest = rest[end+1:]
		if len(field) == 0 {
			return h, rest, h.host
		}
		if !h.field(field) {
			return h, nil, false
		}
	}
}

// plainHeader is what a plain request's header says.
type plainHeader struct {
	host   bool
	typed  bool
	coded  bool // asks for another coding than the plain one, or says that it may be
	length int  // 0: not given
}

// field reads one line, and reports whether a plain request may have it.
func (h *plainHeader) field(line []byte) bool {
	colon := bytes.IndexByte(line, ':')
	if colon < 1 || !isPlainText(line) {
		return false
	}
	name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
	switch string(name) {
	case "Host", "host":
		known := h.host
		h.host = true
		return !known && isPlainHost(value)
	case "Content-Length", "content-length":
		length, rest, ok := cutNumber(value, 1<<30)
		known := h.length > 0
		h.length = int(length)
		return ok && len(rest) == 0 && !known && h.length > 0
	case "Content-Type", "content-type":
		known := h.typed
		h.typed = true
		return !known && mediaOf(value) == mediaJSON
	case "Connection", "connection":
		return bytes.EqualFold(value, keepAlive)
	case "Accept-Encoding", "accept-encoding":
		h.coded = true
		return true
	case "User-Agent", "user-agent", "Accept", "accept",
		"Forwarded", "forwarded", "Via", "via", "traceparent", "tracestate":
		return true
	default:
		// X-Forwarded-For and the like: nothing here reads them.
		return len(name) > 2 && (name[0] == 'X' || name[0] == 'x') && name[1] == '-' && isToken(name)
	}
}

var keepAlive = []byte("keep-alive")

// isPlainText reports whether a header line is printable ASCII.
func isPlainText(line []byte) bool {
	for _, b := range line {
		if b < ' ' || b > '~' {
			return false
		}
	}
	return true
}

// isPlainHost reports whether a host is a name or an IPv4 address, with or without a
// port. What else a host may be, fasthttp judges.
func isPlainHost(host []byte) bool {
	for _, b := range host {
		if !isDigit(b) && b != '-' && b != '.' && b != ':' && (b|0x20 < 'a' || b|0x20 > 'z') {
			return false
		}
	}
	return len(host) > 0
}

func isToken(name []byte) bool {
	for _, b := range name {
		if !isDigit(b) && b != '-' && (b|0x20 < 'a' || b|0x20 > 'z') {
			return false
		}
	}
	return true
}
