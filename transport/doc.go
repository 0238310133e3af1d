// Package transport gives a node one TCP port for everything its peers want of
// it: the Raft streams of every group, and requests with a reply.
//
// # Promise
//
// Each connection opens with a header that names the protocol, the cluster, the
// node instance it is meant for and what it will carry. A mismatch is refused
// with a sentence that the dialling side gets as its error, so that a node of
// another cluster, or one that came back with an empty disk under an old ID, is
// found before it can take part in anything.
//
// Raft streams are connections of their own: hashicorp/raft's NetworkTransport
// runs over a [StreamLayer] per group, so a snapshot never holds up a heartbeat.
// Requests share one kept connection per peer, and are answered in any order.
//
// # Failures of a request
//
//	could not connect, or was refused     [ErrNotSent]: the peer has not seen it
//	no reply, for whatever reason          [ErrNoReply]: the peer may have done it
//	the peer's handler failed              [RemoteError], with its words
//
// # Security
//
// Connections are neither encrypted nor authenticated yet: bind to loopback or to
// a network you trust. [Config.Listener] and [Config.Dial] are the one seam where
// TLS goes: everything else works on net.Conn.
//
// # Concurrency
//
// Every method may be called from any goroutine. [Transport.Close] ends every
// connection and waits for every goroutine that the transport started.
package transport
