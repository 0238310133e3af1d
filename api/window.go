package api

import "io"

// window is the part of a bulk body that is in memory: buf[start:end] is read from
// the body and not yet cut into records.
//
//	0 <= start <= end <= len(buf)
//
// Records alias buf, so nothing moves in it until [window.slide].
type window struct {
	source     io.Reader
	buf        []byte
	start, end int
	slid       int   // bytes that have left the front
	err        error // from source; io.EOF at the end of the body
}

// windowBytesMin lets every record that is not too long be seen whole.
const windowBytesMin = 2 * recordBytesMax

// reset points the window at the beginning of a body of declared bytes, or of -1
// for a body of unknown length. A short body needs a small window only.
func (w *window) reset(source io.Reader, declared int) {
	size := ChunkBytesMax
	if declared >= 0 {
		size = min(max(declared+1, windowBytesMin), ChunkBytesMax)
	}
	if cap(w.buf) < size {
		w.buf = make([]byte, size)
	}
	*w = window{source: source, buf: w.buf[:size]}
}

func (w *window) unread() []byte { return w.buf[w.start:w.end] }

// offset is where the unread part begins in the body, in bytes.
func (w *window) offset() int { return w.slid + w.start }

func (w *window) full() bool { return w.end == len(w.buf) }

// ended reports whether unread is the last part of the body.
func (w *window) ended() bool { return w.err == io.EOF }

// fill reads once more from the body. It must be neither full nor at an error.
func (w *window) fill() {
	n, err := w.source.Read(w.buf[w.end:])
	w.end += n
	w.err = err
}

// slide moves the unread part to the front. It overwrites what records alias.
func (w *window) slide() {
	w.slid += w.start
	w.end = copy(w.buf, w.unread())
	w.start = 0
}
