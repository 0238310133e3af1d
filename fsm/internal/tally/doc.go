// Package tally counts the memberships of a segment by the bucket in which they end.
//
// # Why not a number per bucket
//
// Three hundred segments have six million buckets within two weeks. A number for each
// would take more than the memberships themselves where these are few. So 64
// consecutive buckets, a span, share a cell of eight bytes. While at most nine
// memberships end in the span, the cell lists them, six bits each. From ten on it
// refers to a block of 64 numbers of equal width (2, 4, 8, 16 or 32 bits, as the
// largest needs) and keeps their sum. That is about one byte a membership where there
// are few, and far less where there are many; and it is exact for every bucket, so any
// instant can be asked for.
//
//	Tally ──> groups of 8 cells, 64 bytes each, only where there is anything
//	          cell: 0                                nothing
//	                [list, n, bucket, bucket, …]     at most nine memberships
//	                [block, width, number, sum]  ──> 64 numbers
//
// # Bounds
//
// At most 2³²-1 memberships in a span, and 2²⁷ blocks of one width in a shard, each of
// which has at least five memberships. A change touches one cell and one block. The
// sum of a range reads a cell per span and at most two blocks.
//
// # Concurrency
//
// None of its own: reading beside reading is safe.
package tally
