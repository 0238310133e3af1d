package fsm

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A snapshot is a stream of frames:
//
//	kind      1 byte
//	length    4 bytes, little endian, of the payload
//	payload
//	checksum  4 bytes: CRC32C of every byte of the stream so far but earlier checksums
//
// The checksum runs on from frame to frame, so a frame that was lost, repeated or
// moved is found as surely as a flipped byte.

const frameBytesMax = 64 << 20 // a block of the outbox or a history point is one frame

// ErrSnapshot is wrapped by every refusal of a snapshot.
var ErrSnapshot = errors.New("snapshot refused")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type frameWriter struct {
	w   *bufio.Writer
	crc uint32
}

func newFrameWriter(w io.Writer) *frameWriter {
	return &frameWriter{w: bufio.NewWriterSize(w, 256<<10)}
}

func (f *frameWriter) frame(kind byte, payload []byte) error {
	if len(payload) > frameBytesMax {
		return fmt.Errorf("frame %q of %d bytes: no machine would restore it", kind, len(payload))
	}
	var head [5]byte
	head[0] = kind
	binary.LittleEndian.PutUint32(head[1:], uint32(len(payload)))
	f.crc = crc32.Update(f.crc, castagnoli, head[:])
	f.crc = crc32.Update(f.crc, castagnoli, payload)
	var sum [4]byte
	binary.LittleEndian.PutUint32(sum[:], f.crc)
	for _, part := range [...][]byte{head[:], payload, sum[:]} {
		if _, err := f.w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

type frameReader struct {
	r   *bufio.Reader
	crc uint32
	buf []byte
}

func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{r: bufio.NewReaderSize(r, 256<<10)}
}

// frame returns the next frame. The payload is valid until the next call.
func (f *frameReader) frame() (kind byte, payload []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		return 0, nil, fmt.Errorf("%w: it ends early: %w", ErrSnapshot, err)
	}
	n := int(binary.LittleEndian.Uint32(head[1:]))
	if n > frameBytesMax {
		return 0, nil, fmt.Errorf("%w: a frame of %d bytes", ErrSnapshot, n)
	}
	if err := f.read(n + 4); err != nil {
		return 0, nil, err
	}
	payload = f.buf[:n]
	f.crc = crc32.Update(f.crc, castagnoli, head[:])
	f.crc = crc32.Update(f.crc, castagnoli, payload)
	if binary.LittleEndian.Uint32(f.buf[n:]) != f.crc {
		return 0, nil, fmt.Errorf("%w: checksum differs", ErrSnapshot)
	}
	return head[0], payload, nil
}

// read fills buf with n bytes, growing it only as bytes arrive, so that a damaged
// length does not allocate what is not there.
func (f *frameReader) read(n int) error {
	const step = 1 << 20
	f.buf = f.buf[:0]
	for len(f.buf) < n {
		from, size := len(f.buf), min(step, n-len(f.buf))
		if cap(f.buf) < from+size {
			f.buf = append(f.buf, make([]byte, size)...)
		} else {
			f.buf = f.buf[:from+size]
		}
		if _, err := io.ReadFull(f.r, f.buf[from:]); err != nil {
			return fmt.Errorf("%w: it ends early: %w", ErrSnapshot, err)
		}
	}
	return nil
}

// end checks that nothing follows the last frame.
func (f *frameReader) end() error {
	if _, err := f.r.ReadByte(); err != io.EOF {
		return fmt.Errorf("%w: bytes after its end", ErrSnapshot)
	}
	return nil
}
