// Package pgsink copies a shard's outbox to PostgreSQL.
//
// # Promise
//
// Every entry of the outbox takes effect in PostgreSQL exactly once, in log order,
// whatever dies in between: this node, PostgreSQL, the connection, the leadership.
// Rows and cursor are written in one transaction, and the cursor is moved by
// compare-and-set:
//
//	transaction: cursor(incarnation, shard) = from  ->  to
//	             and the effect of the entries from+1 ... to
//
// So of two leaders who flush the same entries one fails whole (it is fenced), and
// a transaction whose COMMIT got no answer is settled by reading the cursor, which
// waits for a transaction that still holds it. Invariants, for one stream:
//
//	Dropped <= Acked <= cursor        acknowledged only after the commit
//	cursor never goes back unless PostgreSQL itself was set back: see Gap
//
// One flush is one round trip: the statements go out together, as one implicit
// transaction, the compare-and-set first, so that a fenced flush touches no row.
// CTEs would also be one round trip, but all parts of a statement see the same
// snapshot: a deletion and an insertion of the same key do not work in one.
//
// # Needs
//
// An [Outbox] per shard led, and PostgreSQL 12 or newer, reached directly or through
// a pooler (in transaction mode: with default_query_exec_mode=exec). It need not be up: [Open] does not connect, and [Sink.Run]
// waits for it with jittered backoff. The schema is brought up to date before the
// first flush.
//
// # Concurrency
//
// One Sink per node; its methods may be called from any goroutine. One [Sink.Run] per
// shard led, under the context of that leadership; it returns when the context ends,
// after its goroutines. Close the Sink after the last Run has returned.
//
// # Bounds
//
// Connections: shards + 2. Rows in memory: two batches per Run, the one that is being
// written and the next, each of FlushRowsMax rows or a single entry. Acknowledgements in flight: one per Run. Time: connecting, waiting for
// a lock, a statement and a round trip each have a limit ([Options]).
//
// # Failures
//
//	PostgreSQL unreachable, overloaded,    the session ends; backoff, connect, read the
//	read-only, shutting down, deadlock     cursor, go on. The outbox keeps everything
//	connection lost at COMMIT              the same: the cursor tells what happened
//	statement too slow                     the same, and the next batches are half as large
//	somebody else moved the cursor         fenced: rolled back; read the cursor, go on
//	a row is refused (SQLSTATE classes     the batch is bisected; what is refused goes to the
//	21, 22, 23, 27, 44, P0; 54000)         table quarantine in the same transaction
//	tables missing                         the migrations run again
//	schema newer than this program         refused until the program is updated; the outbox waits
//	cursor behind the acknowledgement      PostgreSQL was set back or replaced: what the outbox has
//	                                       kept is flushed again, in its order; what it has not is
//	                                       gone: a Gap is reported and the cursor moved on
//	Acknowledging fails                    repeated; flushing goes on
package pgsink
