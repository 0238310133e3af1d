// Package tools is what `headcount seed`, `status`, `import`, `export` and `verify` do. It
// is a client of a running cluster, and of PostgreSQL, and needs nothing of a node.
//
// Each function talks to the cluster at a URL, or at several separated by commas,
// and writes what a person reads to the writer given. On a terminal [Seed] and
// [Import] show a progress bar; elsewhere every line is final. Errors are one line. A function
// returns only after all its goroutines have ended; any number may run at once.
//
// # Bounds
//
// [Seed] has at most 8 requests under way and posts at most 1,000,000 users.
// [Status] waits at most 10 seconds.
//
// [Import] has one request of at most 10,000 records under way, and no more than those in
// memory; [Export] has one row, [Verify] the counts of all segments, twice.
package tools
