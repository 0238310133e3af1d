package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Every connection begins with a header from the side that dialled:
//
//	magic     4 bytes, the protocol and its version
//	carries   1 byte
//	group     4 bytes, little endian; 0 for requests
//	instance  16 bytes: the node instance meant, zero when the dialler does not know
//	cluster   1 byte length, then the name
//
// and the answer to it: 1 byte length of a refusal, 0 to go on, then its text.

var magic = [4]byte{'H', 'C', 'P', 1}

const (
	carriesRequests = 1
	carriesRaft     = 2

	handshakeTimeout = 5 * time.Second
	headerFixedBytes = 4 + 1 + 4 + 16 + 1
)

// Instance identifies one life of a node's data directory. The zero Instance
// stands for "not known".
type Instance [16]byte

type header struct {
	carries  byte
	group    uint32
	instance Instance
	cluster  string
}

// ErrRefused is wrapped by the error of a dial that the peer refused.
var ErrRefused = errors.New("peer refused the connection")

func (h header) append(b []byte) []byte {
	b = append(b, magic[:]...)
	b = append(b, h.carries)
	b = binary.LittleEndian.AppendUint32(b, h.group)
	b = append(b, h.instance[:]...)
	b = append(b, byte(len(h.cluster)))
	return append(b, h.cluster...)
}

func readHeader(r io.Reader) (h header, err error) {
	var fixed [headerFixedBytes]byte
	if _, err = io.ReadFull(r, fixed[:]); err != nil {
		return h, err
	}
	if [4]byte(fixed[:4]) != magic {
		return h, errors.New("this is Headcount's peer port, and that was not its protocol")
	}
	h.carries = fixed[4]
	h.group = binary.LittleEndian.Uint32(fixed[5:])
	h.instance = Instance(fixed[9:25])
	name := make([]byte, fixed[25])
	if _, err = io.ReadFull(r, name); err != nil {
		return h, err
	}
	h.cluster = string(name)
	return h, nil
}

// introduce sends the header and waits for the peer to accept it.
func introduce(conn net.Conn, h header, timeout time.Duration) error {
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := conn.Write(h.append(nil)); err != nil {
		return err
	}
	var length [1]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return fmt.Errorf("waiting for the peer to accept: %w", err)
	}
	if length[0] != 0 {
		text := make([]byte, length[0])
		if _, err := io.ReadFull(conn, text); err != nil {
			return err
		}
		return fmt.Errorf("%w: %s", ErrRefused, text)
	}
	return conn.SetDeadline(time.Time{})
}

func accept(conn net.Conn) error {
	if _, err := conn.Write([]byte{0}); err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}

func refuse(conn net.Conn, reason string) {
	reason = reason[:min(len(reason), 255)]
	// The connection is given up in any case: an error here changes nothing.
	_, _ = conn.Write(append([]byte{byte(len(reason))}, reason...))
	_ = conn.Close()
}
