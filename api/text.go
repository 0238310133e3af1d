package api

import (
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a string and returns its value. The value aliases the text that is
// read: an escape is never shorter than what it stands for, so the value fits.
func (c *cursor) text(field string) []byte {
	if c.failed() {
		return nil
	}
	if !c.take('"') {
		c.fail(field, reasonString)
		return nil
	}
	start, seen := c.at, byte(0)
	for ; c.at < len(c.data); c.at++ {
		b := c.data[c.at]
		switch {
		case b == '"':
			value := c.data[start:c.at:c.at]
			c.at++
			return c.checkText(field, value, seen)
		case b == '\\':
			return c.escapedText(field, start)
		case b < ' ':
			c.fail(field, reasonRawControl)
			return nil
		}
		seen |= b
	}
	c.fail(field, reasonUnterminated)
	return nil
}

// checkText checks the encoding of a value. seen is all its bytes or-ed together.
func (c *cursor) checkText(field string, value []byte, seen byte) []byte {
	if seen >= utf8.RuneSelf && !utf8.Valid(value) {
		c.at -= len(value) + 1
		c.fail(field, reasonUTF8)
		return nil
	}
	return value
}

// escapedText goes on with a string that began at start, at its first escape.
func (c *cursor) escapedText(field string, start int) []byte {
	end := c.at // of the value so far
	for c.at < len(c.data) {
		b := c.data[c.at]
		switch {
		case b == '"':
			c.at++
			value := c.data[start:end:end]
			if !utf8.Valid(value) {
				c.at = start
				c.fail(field, reasonUTF8)
				return nil
			}
			return value
		case b == '\\':
			r, n, reason := unescape(c.data[c.at:])
			if reason != "" {
				c.fail(field, reason)
				return nil
			}
			end += utf8.EncodeRune(c.data[end:], r)
			c.at += n
		case b < ' ':
			c.fail(field, reasonRawControl)
			return nil
		default:
			c.data[end] = b
			end++
			c.at++
		}
	}
	c.fail(field, reasonUnterminated)
	return nil
}

// unescape decodes the escape at the front of data, which begins with a backslash.
// n is its length in bytes.
func unescape(data []byte) (r rune, n int, reason string) {
	if len(data) < 2 {
		return 0, 0, reasonUnterminated
	}
	switch data[1] {
	case '"', '\\', '/':
		return rune(data[1]), 2, ""
	case 'b':
		return '\b', 2, ""
	case 'f':
		return '\f', 2, ""
	case 'n':
		return '\n', 2, ""
	case 'r':
		return '\r', 2, ""
	case 't':
		return '\t', 2, ""
	case 'u':
		return unescapeUnicode(data)
	default:
		return 0, 0, reasonEscape
	}
}

// unescapeUnicode decodes \uXXXX, and the two of them that a character beyond U+FFFF
// takes.
func unescapeUnicode(data []byte) (r rune, n int, reason string) {
	first, ok := hexUnit(data)
	if !ok {
		return 0, 0, reasonEscape
	}
	if !utf16.IsSurrogate(first) {
		return first, 6, ""
	}
	second, ok := hexUnit(data[6:])
	if !ok {
		return 0, 0, reasonSurrogate
	}
	r = utf16.DecodeRune(first, second)
	if r == utf8.RuneError {
		return 0, 0, reasonSurrogate
	}
	return r, 12, ""
}

// hexUnit decodes the \uXXXX at the front of data.
func hexUnit(data []byte) (unit rune, ok bool) {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return 0, false
	}
	for _, b := range data[2:6] {
		digit := hexDigit(b)
		if digit > 15 {
			return 0, false
		}
		unit = unit<<4 | rune(digit)
	}
	return unit, true
}
