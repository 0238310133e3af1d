// Package client talks to a Headcount cluster over its HTTP API.
//
//	headcount, err := client.New(client.Options{RetriesMax: 5}, "http://10.0.0.1:8000", "http://10.0.0.2:8000")
//	put, err := headcount.Put(ctx, client.Membership{ID: "u104010", Segment: "sports"})
//	counts, err := headcount.Counts(ctx, client.AtLeast(put.Version))
//
// # Promise
//
// A nil error of a write means that the write is committed: a majority of the
// nodes has it on disk. Every error of a write matches, with [errors.Is], exactly
// one of [ErrNotApplied] and [ErrUnknown]; an error of a read matches neither.
// Where a node gave a reason, [errors.As] finds it as a [*Problem].
//
// # Which node is asked
//
// Any node answers any request. The URL that answered last is asked first. One
// round asks each URL at most once: it goes on to the next when a node was not
// reached or said 503, and, for a read, when the reply was lost or said 504. A
// write whose outcome is unknown ends the round, because going on would repeat it.
//
// Rounds are repeated up to [Options.RetriesMax] times, after the time the nodes
// asked for in Retry-After plus a random part that grows. Putting again what was
// put changes nothing. Repeating a Delete or an Erase whose outcome is unknown may
// also end a membership written in between.
//
// # Failures
//
//	no URL was reached           not applied, next round
//	503                          not applied, next URL, then next round
//	4xx                          not applied, returned at once; of PutAll: outcome unknown
//	504, or the reply was lost   outcome unknown, next round
//	any other status             outcome unknown, returned at once
//	the context ended            as far as the attempts had come, no further round
//
// One attempt whose outcome is unknown makes the whole write's outcome unknown,
// whatever the attempts after it said, unless one of them succeeds.
//
// # Bounds
//
// A reply has at most 16 MiB. An attempt takes at most [Options.AttemptTimeout].
// [Client.PutAll] holds one request of at most 10,000 memberships or 1 MiB.
//
// # Concurrency
//
// A [Client] may be used from any number of goroutines at once, and starts none
// of its own. Connections are kept alive and shared.
package client
