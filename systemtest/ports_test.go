package systemtest

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"
)

// Ports are taken from below the range that Linux gives to outgoing connections
// (32768 up): a node that is down for a while must find its port free again.
const (
	portFirst = 18_000
	portLast  = 31_000
)

// portNext starts at a place of its own for each test process.
var portNext atomic.Int32

func init() { portNext.Store(int32(os.Getpid()%100) * 120) }

// freePorts returns the first of n consecutive loopback ports on which nothing
// listens, TCP or UDP.
func freePorts(t testing.TB, n int) int {
	t.Helper()
	for range (portLast - portFirst) / n {
		offset := int(portNext.Add(int32(n))) - n
		first := portFirst + offset%(portLast-portFirst-n)
		if portsFree(first, n) {
			return first
		}
	}
	t.Fatalf("no %d free consecutive ports between %d and %d", n, portFirst, portLast)
	return 0
}

func portsFree(first, n int) bool {
	for port := first; port < first+n; port++ {
		tcp, err := net.Listen("tcp", loopback(port))
		if err != nil {
			return false
		}
		tcp.Close()
		udp, err := net.ListenPacket("udp", loopback(port))
		if err != nil {
			return false
		}
		udp.Close()
	}
	return true
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
