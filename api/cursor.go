package api

import (
	"bytes"
	"strconv"
)

// fault says what is wrong with a JSON text, and where. The zero fault is none. It
// is a value, so that refusing a record costs no memory.
type fault struct {
	field  string // the key it is about; "" for the text as a whole
	reason string // what to change; "" for no fault
	at     int    // offset in bytes
}

func (f fault) found() bool { return f.reason != "" }

// text gives the fault in words; bytes are counted from 1.
func (f fault) text() string {
	text := make([]byte, 0, 128)
	if f.field != "" {
		text = append(append(text, f.field...), ' ')
	}
	text = append(text, f.reason...)
	text = append(text, " (at byte "...)
	return string(append(strconv.AppendInt(text, int64(f.at)+1, 10), ')'))
}

// The reasons for which a JSON text is refused.
const (
	reasonNoBody       = "the body is empty: send one JSON object"
	reasonBOM          = "there is a byte order mark: send UTF-8 without one"
	reasonObject       = "this is not a JSON object: send one in braces"
	reasonKey          = "a key in double quotes must stand here"
	reasonColon        = "a colon must follow the key"
	reasonComma        = "a comma or a closing brace must follow the value"
	reasonTrailing     = "there are bytes after the object: send one object, or many as application/x-ndjson or in a JSON array"
	reasonString       = "must be a string in double quotes"
	reasonUnterminated = "the string does not end: close it with a double quote"
	reasonRawControl   = "there is a raw control character in a string: remove or escape it"
	reasonEscape       = `there is an unknown escape: use \" \\ \/ \b \f \n \r \t or \uXXXX`
	reasonSurrogate    = "there is half a surrogate pair: escape a character beyond U+FFFF as two halves"
	reasonUTF8         = "there is invalid UTF-8: send UTF-8"
	reasonInteger      = "must be a whole number of Unix seconds"
	reasonNull         = "must not be null: leave the key out"
	reasonFraction     = "must be a whole number: no fraction and no exponent"
	reasonLeadingZero  = "must not begin with a zero"
	reasonNegative     = "must not be negative"
	reasonRange        = "does not fit 64 bits: Unix seconds have 10 digits"
	reasonRepeated     = "is given twice: give it once"
	reasonMissing      = "is missing: add it"
)

var byteOrderMark = []byte("\xef\xbb\xbf")

// cursor reads a JSON text from front to back and keeps the first fault. What its
// methods return after a fault means nothing.
//
// It owns data: escapes in strings are replaced in place, so what it returns aliases
// data, and a text can be read once only.
type cursor struct {
	data  []byte
	at    int
	fault fault
}

func (c *cursor) fail(field, reason string) {
	if !c.fault.found() {
		c.fault = fault{field: field, reason: reason, at: c.at}
	}
}

func (c *cursor) failed() bool { return c.fault.found() }

// space skips the whitespace of JSON.
func (c *cursor) space() {
	for c.at < len(c.data) && isSpace(c.data[c.at]) {
		c.at++
	}
}

func isSpace(b byte) bool { return b == ' ' || b == '\n' || b == '\r' || b == '\t' }

// peek returns the byte at the cursor, or 0 at the end. A NUL byte begins nothing
// in JSON, so the two need not be told apart.
func (c *cursor) peek() byte {
	if c.at < len(c.data) {
		return c.data[c.at]
	}
	return 0
}

// take steps over b if it is at the cursor.
func (c *cursor) take(b byte) bool {
	if c.peek() != b {
		return false
	}
	c.at++
	return true
}

// object reads one object, and whitespace around it, to the end of the text. It
// calls value with each key and the cursor at the key's value.
func (c *cursor) object(value func(key []byte)) {
	c.space()
	if !c.take('{') {
		c.failObject()
		return
	}
	c.space()
	for more := !c.take('}'); more && !c.failed(); {
		c.space()
		if c.peek() != '"' {
			c.fail("", reasonKey)
			return
		}
		key := c.text("")
		c.space()
		if !c.take(':') {
			c.fail("", reasonColon)
			return
		}
		c.space()
		value(key)
		if c.failed() {
			return
		}
		c.space()
		more = c.take(',')
		if !more && !c.take('}') {
			c.fail("", reasonComma)
		}
	}
	c.space()
	if c.at < len(c.data) {
		c.fail("", reasonTrailing)
	}
}

func (c *cursor) failObject() {
	switch {
	case c.at == len(c.data):
		c.fail("", reasonNoBody)
	case bytes.HasPrefix(c.data[c.at:], byteOrderMark):
		c.fail("", reasonBOM)
	default:
		c.fail("", reasonObject)
	}
}

// once notes that field is being read, and fails if it was before.
func (c *cursor) once(field string, seen bool) {
	if seen {
		c.fail(field, reasonRepeated)
	}
}

// name reads a string that is a user ID or a segment title.
func (c *cursor) name(field string) []byte {
	start := c.at
	value := c.text(field)
	if c.failed() {
		return nil
	}
	if reason := checkName(value); reason != "" {
		c.at = start
		c.fail(field, reason)
		return nil
	}
	return value
}

// seconds reads a whole number that is not negative.
func (c *cursor) seconds(field string) int64 {
	if c.failed() {
		return 0
	}
	start := c.at
	negative := c.take('-')
	digits := c.at
	value, overflow := uint64(0), false
	for ; isDigit(c.peek()); c.at++ {
		digit := uint64(c.peek() - '0')
		overflow = overflow || value > (1<<63-1-digit)/10
		value = value*10 + digit
	}
	if reason := c.checkNumber(start, digits, negative, overflow); reason != "" {
		c.at = start
		c.fail(field, reason)
		return 0
	}
	return int64(value)
}

func (c *cursor) checkNumber(start, digits int, negative, overflow bool) string {
	next := c.peek()
	switch {
	case c.at == digits && bytes.HasPrefix(c.data[start:], []byte("null")):
		return reasonNull
	case c.at == digits:
		return reasonInteger
	case next == '.' || next == 'e' || next == 'E':
		return reasonFraction
	case c.data[digits] == '0' && c.at > digits+1:
		return reasonLeadingZero
	case negative:
		return reasonNegative
	case overflow:
		return reasonRange
	default:
		return ""
	}
}
