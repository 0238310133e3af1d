// Package fsm is the deterministic state machine of one shard: who is in which
// segment until when, and everything that must survive with it.
//
// # Promise
//
// Two machines that applied the same entries up to the same index hold the same
// state, and [Machine.Stats] proves it with a digest. Apply reads no clock, no
// randomness, no map order and no local configuration: time comes from the
// entries, limits come from replicated [Settings].
//
//   - A membership is counted from the entry that created it until its bucket
//     ends. The later expiry wins; an earlier one never shortens it.
//   - A batch carries (origin, epoch, sequence) and takes effect at most once.
//   - A tick moves the watermark: every bucket at or below it is drained by
//     subtracting its counts, not by visiting users.
//   - Memberships not yet in PostgreSQL wait in the outbox, which is part of
//     the state: it is in every snapshot and is trimmed by an entry. A window of what
//     PostgreSQL had last stays in it, in case PostgreSQL is set back. What memory has
//     no room for lies on disk, see [Spool].
//
// # Time
//
// A bucket is numbered by the instant it ends: bucket b covers the expiries in
// ((b-1)·width, b·width], and its memberships stop counting at b·width. The
// machine's time is the highest time any entry carried, in Unix seconds. Statuses
// are decided at that time. Counts are read at the reader's time, by leaving out
// the buckets between the watermark and it.
//
// # Invariants
//
//	watermark <= time/width
//	every stored membership has bucket > watermark
//	segment.stored = what its tally has in all buckets = slots of its table > watermark
//	segment.live   = what its tally has in the buckets > horizon
//	index, time, watermark, last tick, acknowledged and dropped only grow; dropped <= acknowledged
//
// # Concurrency
//
// Apply, Snapshot and Restore are called by Raft from one goroutine. Persist runs
// on another while Apply goes on: it reads through a view, see package table.
// SpoolOutbox is called by one goroutine at a time. Every other method may be called
// from any goroutine.
//
// # Structure
//
// docs/STATE_MACHINE.md has a drawing. Package table holds the memberships, package
// tally counts them by bucket, and package slab is the memory that both lie in,
// outside Go's heap. Everything is held together by [Machine]'s lock: what reads
// holds it shared, for a fraction of a millisecond at most.
//
// # Failures
//
//	an entry that does not decode          panic: it was validated before it was proposed
//	a snapshot with a flipped or lost byte Restore returns an error, the state stays as it was
//	a frame too large to be restored       Persist returns an error, the log keeps the entries
//	a record out of bounds                 that record's status says so
//	the outbox is full                     the whole batch is refused, nothing of it applied
//	the disk takes nothing to spool        SpoolOutbox returns an error, memory keeps it, OutboxIsFull in the end
//	the disk gives back something else     panic: a restart builds the outbox anew
package fsm
