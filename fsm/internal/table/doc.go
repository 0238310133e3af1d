// Package table holds who is in each segment of a shard, and until which bucket, in
// about 13 bytes a membership and without a pointer.
//
// # Structure
//
//	Table (one per segment)      Memory (one per shard, all tables)
//
//	directory                    pieces                     pages of 6 lines
//	┌────┐  first depth bits     ┌──────────────────────┐   ┌──────────────────┐
//	│ 00 ├──────────────────────>│ depth 1, 7 pages ────┼──>│ 6 memberships    │ 64 bytes
//	│ 01 ├──────────────────────>│                      │   │ 6 memberships    │
//	│ 10 ├──────────┐            └──────────────────────┘   │ 6 memberships    │
//	│ 11 ├───────┐  │            ┌──────────────────────┐   │ 6 memberships    │
//	└────┘       │  └───────────>│ depth 2, 6 pages ────┼─> └──────────────────┘
//	             └──────> …      └──────────────────────┘
//
// A table is an extendible hash table (Fagin, Nievergelt, Pippenger, Strong, 1979):
// a directory, by the first bits of the key, of small pieces. A piece is a hash table
// of its own of 1 to 10 pages. It grows by a third of its pages at a time and, from 10
// pages on, splits in two: so about five sixths of the slots are in use, 0.7 after a piece
// has grown and 0.95 before, and no insertion ever moves more than one piece's memberships
// (at most 360). All pages have the same size, so that memory does not fragment.
//
// # Drained memberships
//
// A membership at or below the watermark reads as absent and its slot is overwritten
// by whatever needs it. [Table.Sweep] visits a piece at a time, and gives back what
// is not needed any more.
//
// # Reading at one moment
//
// A [View] holds still, for a reader, what is in the tables now, while they go on
// being written. See there.
//
// # Concurrency
//
// The caller has a lock. Under it shared: everything that only reads, and what a View
// says. Under it exclusive: the rest.
package table
