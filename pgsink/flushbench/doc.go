// Command flushbench measures how fast the copy to PostgreSQL is, beside what is
// written by hand for the same rows.
//
//	go run ./pgsink/flushbench --rows 5000000
//
// # What is measured
//
// A full outbox is emptied into the table users: first into an empty one, and then,
// with other rows of the same users, into the one that this has filled. Every method
// has a database of its own on one private PostgreSQL, with the product's own schema
// and with fsync on, and takes the same rows in the same order. They take turns, a
// slice of 200,000 rows each, so that a noisy neighbour, a checkpoint or an autovacuum
// disturbs all of them alike.
//
//	sink             package pgsink as a node runs it: fencing, cursor, fold and all
//	unnest           INSERT … SELECT FROM unnest(arrays) ON CONFLICT DO UPDATE
//	copy             COPY into a temporary table, then INSERT … SELECT … ON CONFLICT DO UPDATE
//	pipeline         single-row INSERT … ON CONFLICT statements, pipelined
//
// The methods written by hand sort each batch by key and leave out its duplicates, as
// the sink must too, and prepare one batch while PostgreSQL works on the one before.
// They know of no cursor and of no deletions: they may be faster, and may not be used.
// A number behind a name is the rows of a batch in thousands, and "×2" two connections.
//
// # Failures
//
// Any error ends the run with exit status 1; so does a table that in the end does not
// have the rows that it should. Wrong arguments: 2.
package main
