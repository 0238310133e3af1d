package api

import "bytes"

// plainLine begins every plain write.
const plainLine = "POST /users HTTP/1.1\r\n"

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
	if len(data) < len(plainLine) || string(data[:len(plainLine)]) != plainLine {
		return nil, false
	}
	var h plainHeader
	for rest := data[len(plainLine):]; ; {
		end := bytes.IndexByte(rest, '\n')
		if end < 1 || rest[end-1] != '\r' {
			return nil, false
		}
		line := rest[:end-1]
		rest = rest[end+1:]
		if len(line) == 0 {
			return rest, h.host && h.length > 0 && h.length == len(rest)
		}
		if !h.field(line) {
			return nil, false
		}
	}
}

// plainHeader is what a plain request's header says.
type plainHeader struct {
	host   bool
	typed  bool
	length int // 0: not given
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
	case "User-Agent", "user-agent", "Accept", "accept", "Accept-Encoding", "accept-encoding",
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
