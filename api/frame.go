package api

import "bytes"

// recordBytesMax bounds one record of a bulk body: about five times what the
// longest names take with every character escaped.
const recordBytesMax = 4096

// framer cuts a bulk body into records. How the body arrives, in one piece or byte
// by byte, never changes what it finds.
type framer interface {
	// next finds the next record in the window's unread part and steps over it.
	// The record aliases the window. The fault is of the body, not of the record.
	next(w *window) (record []byte, found frame, f fault)
}

// frame is what a framer found.
type frame uint8

const (
	frameRecord frame = iota + 1 // a record
	frameLong                    // a record over the bound, stepped over
	frameShort                   // no whole record: fill the window and ask again
	frameEnd                     // nothing: the body is over
	frameBroken                  // a fault after which no record can be found
)

const reasonRecordLong = "the record is longer than 4096 bytes: shorten it"

// lines frames NDJSON: one record a line, blank lines skipped. The last line needs
// no newline. A carriage return is whitespace of JSON, and so needs no thought.
type lines struct {
	skipping bool // inside a line over the bound, already reported
}

func (l *lines) next(w *window) ([]byte, frame, fault) {
	for {
		line := w.unread()
		length := bytes.IndexByte(line, '\n')
		whole := length >= 0
		if whole {
			line = line[:length]
		}
		switch {
		case l.skipping:
			w.start += len(line)
			if !whole {
				return nil, w.starved(), fault{}
			}
			l.skipping = false
			w.start++
			continue
		case len(line) > recordBytesMax:
			// Its newline, seen or not, is left to the skipping.
			l.skipping = true
			w.start += len(line)
			return nil, frameLong, fault{}
		case !whole && !w.ended():
			return nil, frameShort, fault{}
		}
		w.start += len(line)
		if whole {
			w.start++
		}
		if len(bytes.TrimLeft(line, " \t\r\n")) > 0 {
			return line, frameRecord, fault{}
		}
		if !whole {
			return nil, frameEnd, fault{}
		}
	}
}

// starved is what a framer finds in an empty window between two records.
func (w *window) starved() frame {
	if w.ended() {
		return frameEnd
	}
	return frameShort
}
