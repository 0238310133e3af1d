package api

// array frames a JSON array: its elements are the records. It checks that each is
// well-formed JSON, because nothing else tells where it ends; what it holds is for
// [decodeRecord] to judge.
type array struct {
	place place
}

// place is where in the array the framer stands.
type place uint8

const (
	beforeArray   place = iota
	beforeFirst         // after the opening bracket
	beforeElement       // after a comma
	afterElement        //
	afterArray          // after the closing bracket
)

// arrayDepthMax bounds the nesting inside an element.
const arrayDepthMax = 16

// The faults that end the reading of an array.
const (
	reasonArrayOpen  = "the body is not a JSON array"
	reasonArrayEnds  = "the body ends inside the array: close it with a bracket"
	reasonArrayComma = "a comma or a closing bracket must follow the element"
	reasonArrayAfter = "there are bytes after the array: remove them"
	reasonValue      = "the JSON is malformed: a value must stand here"
	reasonLiteral    = "the JSON is malformed: only true, false and null are words"
	reasonNumber     = "the JSON is malformed: this is no number"
	reasonDeep       = "the element is nested deeper than 16 levels"
)

func (a *array) next(w *window) ([]byte, frame, fault) {
	for {
		for w.start < w.end && isSpace(w.buf[w.start]) {
			w.start++
		}
		if w.start == w.end {
			return a.starved(w)
		}
		b := w.buf[w.start]
		switch {
		case a.place == beforeArray && b == '[':
			a.place = beforeFirst
		case a.place == beforeFirst && b == ']', a.place == afterElement && b == ']':
			a.place = afterArray
		case a.place == afterElement && b == ',':
			a.place = beforeElement
		case a.place == beforeFirst, a.place == beforeElement:
			return a.element(w)
		default:
			return nil, frameBroken, fault{reason: a.unexpected(), at: w.offset()}
		}
		w.start++
	}
}

// starved is what there is to find when nothing but whitespace is unread.
func (a *array) starved(w *window) ([]byte, frame, fault) {
	if w.ended() && a.place != afterArray {
		return nil, frameBroken, fault{reason: reasonArrayEnds, at: w.offset()}
	}
	return nil, w.starved(), fault{}
}

// unexpected says what is wrong with a byte that fits no rule of its place.
func (a *array) unexpected() string {
	switch a.place {
	case beforeArray:
		return reasonArrayOpen
	case afterArray:
		return reasonArrayAfter
	default:
		return reasonArrayComma
	}
}

// element finds the end of the element at the front of the window.
func (a *array) element(w *window) ([]byte, frame, fault) {
	// One byte beyond the bound, so that a longer element is known as such.
	data := w.unread()
	data = data[:min(len(data), recordBytesMax+1)]
	c := cursor{data: data}
	c.skipValue(arrayDepthMax)
	cut := c.failed() && c.fault.at == len(data)
	switch {
	case cut && len(data) > recordBytesMax, !c.failed() && c.at > recordBytesMax:
		return nil, frameBroken, fault{reason: reasonRecordLong, at: w.offset()}
	case cut && w.ended():
		return nil, frameBroken, fault{reason: reasonArrayEnds, at: w.offset() + len(data)}
	case cut:
		return nil, frameShort, fault{}
	case c.failed():
		c.fault.at += w.offset()
		return nil, frameBroken, c.fault
	}
	w.start += c.at
	a.place = afterElement
	return data[:c.at], frameRecord, fault{}
}
