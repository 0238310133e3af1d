package api

import "unicode/utf8"

// nameBytesMax bounds a user ID and a segment title.
const nameBytesMax = 128

// The reasons for which a name is refused.
const (
	reasonNameEmpty   = "is empty: use 1 to 128 bytes"
	reasonNameLong    = "is longer than 128 bytes: use a shorter one"
	reasonNameUTF8    = "is not valid UTF-8: send UTF-8"
	reasonNameControl = "holds a control character: remove it"
	reasonNamePercent = "has a % that two hexadecimal digits do not follow: write a percent sign as %25"
)

// checkName returns why name cannot be a user ID or a segment title, or "".
func checkName(name []byte) string {
	if len(name) == 0 {
		return reasonNameEmpty
	}
	if len(name) > nameBytesMax {
		return reasonNameLong
	}
	for i, b := range name {
		if b >= utf8.RuneSelf {
			return checkWideName(name[i:])
		}
		if b < ' ' || b == 0x7f {
			return reasonNameControl
		}
	}
	return ""
}

// checkWideName checks the rest of a name from its first byte outside ASCII.
func checkWideName(name []byte) string {
	for len(name) > 0 {
		r, n := utf8.DecodeRune(name)
		switch {
		case r == utf8.RuneError && n == 1:
			return reasonNameUTF8
		case r < ' ' || (r >= 0x7f && r < 0xa0):
			return reasonNameControl
		}
		name = name[n:]
	}
	return ""
}

// unescapePath appends one part of a raw path to dst with its percent-escapes
// decoded. A plus sign is a plus sign.
func unescapePath(dst, raw []byte) ([]byte, bool) { return appendUnescaped(dst, raw, '+') }

// unescapeQuery does the same for a name in a query, in which a plus sign stands for
// a space, as forms and most libraries write it.
func unescapeQuery(dst, raw []byte) ([]byte, bool) { return appendUnescaped(dst, raw, ' ') }

// appendUnescaped decodes percent-escapes, and puts plus for a plus sign that is not escaped.
func appendUnescaped(dst, raw []byte, plus byte) ([]byte, bool) {
	for i := 0; i < len(raw); i++ {
		b := raw[i]
		switch b {
		case '+':
			b = plus
		case '%':
			if i+2 >= len(raw) {
				return dst, false
			}
			high, low := hexDigit(raw[i+1]), hexDigit(raw[i+2])
			if high > 15 || low > 15 {
				return dst, false
			}
			b = high<<4 | low
			i += 2
		}
		dst = append(dst, b)
	}
	return dst, true
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// hexDigit returns the value of a hexadecimal digit, or 255.
func hexDigit(b byte) byte {
	switch {
	case isDigit(b):
		return b - '0'
	case b >= 'a' && b <= 'f':
		return b - 'a' + 10
	case b >= 'A' && b <= 'F':
		return b - 'A' + 10
	default:
		return 255
	}
}
