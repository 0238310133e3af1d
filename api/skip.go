package api

import "strings"

// skipValue steps over one value of any kind and checks that it is well-formed:
// brackets, separators, numbers, words, escapes. It judges neither UTF-8 nor
// surrogates, so that a record with a bad name is that record's fault only.
//
// Where the text ends inside the value, or might, the fault is at its very end: so
// a reader can tell "more is needed" from "no continuation can mend this".
func (c *cursor) skipValue(depth int) {
	switch b := c.peek(); {
	case depth == 0 && (b == '{' || b == '['):
		c.fail("", reasonDeep)
	case b == '{':
		c.at++
		c.skipMembers(depth-1, '}')
	case b == '[':
		c.at++
		c.skipMembers(depth-1, ']')
	case b == '"':
		c.skipText()
	case b == '-' || isDigit(b):
		c.skipNumber()
	case b == 't':
		c.skipWord("true")
	case b == 'f':
		c.skipWord("false")
	case b == 'n':
		c.skipWord("null")
	default:
		c.fail("", reasonValue)
	}
}

// skipMembers steps over the rest of an object or array that the byte closing ends.
func (c *cursor) skipMembers(depth int, closing byte) {
	c.space()
	if c.take(closing) {
		return
	}
	for !c.failed() {
		c.space()
		if closing == '}' {
			c.skipKey()
		}
		c.skipNext(depth)
		if c.failed() || c.take(closing) {
			return
		}
		if !c.take(',') {
			c.fail("", reasonComma)
		}
	}
}

func (c *cursor) skipNext(depth int) {
	if c.failed() {
		return
	}
	c.skipValue(depth)
	c.space()
}

func (c *cursor) skipKey() {
	if c.peek() != '"' {
		c.fail("", reasonKey)
		return
	}
	c.skipText()
	c.space()
	if !c.failed() && !c.take(':') {
		c.fail("", reasonColon)
	}
	c.space()
}

func (c *cursor) skipText() {
	c.at++
	for c.at < len(c.data) {
		b := c.data[c.at]
		switch {
		case b < ' ':
			c.fail("", reasonRawControl)
			return
		case b == '\\':
			if c.skipEscape(); c.failed() {
				return
			}
		default:
			c.at++
			if b == '"' {
				return
			}
		}
	}
	c.fail("", reasonUnterminated)
}

func (c *cursor) skipEscape() {
	c.at++
	switch b := c.peek(); {
	case b == 'u':
		c.at++
		for range 4 {
			if hexDigit(c.peek()) > 15 {
				c.fail("", reasonEscape)
				return
			}
			c.at++
		}
	case b != 0 && strings.IndexByte(`"\/bfnrt`, b) >= 0:
		c.at++
	default:
		c.fail("", reasonEscape)
	}
}

// skipNumber steps over a number, which ends where something else begins.
func (c *cursor) skipNumber() {
	c.take('-')
	if !c.take('0') {
		c.skipDigits()
	}
	if c.take('.') {
		c.skipDigits()
	}
	if c.take('e') || c.take('E') {
		if !c.take('+') {
			c.take('-')
		}
		c.skipDigits()
	}
	if c.at == len(c.data) {
		c.fail("", reasonNumber)
	}
}

func (c *cursor) skipDigits() {
	if !isDigit(c.peek()) {
		c.fail("", reasonNumber)
	}
	for isDigit(c.peek()) {
		c.at++
	}
}

func (c *cursor) skipWord(word string) {
	for i := range len(word) {
		if c.peek() != word[i] {
			c.fail("", reasonLiteral)
			return
		}
		c.at++
	}
}
