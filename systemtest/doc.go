// Package systemtest runs Headcount as its users do: real processes built from
// this tree, real files, real sockets, a real PostgreSQL, and real faults
// (SIGKILL, SIGSTOP, a database that goes away, a wiped disk).
//
// It knows the command and the HTTP API only. There is nothing to import: all of
// it is test code.
//
// # How a test decides
//
// A load of mixed writes runs over all nodes. Each writer owns its users, sends
// one write at a time, and repeats it on the next node until it is acknowledged,
// so at the end the plain map of acknowledged writes (the model) is the truth.
// Then, on every node: the counts equal the model's, sampled users have the
// model's memberships, replicas at equal index have equal digests, and the table
// in PostgreSQL equals the model row for row.
//
// One rule keeps the model exact. A write without a reply may take effect at any
// later time (a stopped node finds it in its socket when it goes on). Writes that
// only ever lengthen an expiry do not mind; deletes do. So a user with a write of
// unknown outcome is never deleted from, and a user with a delete of unknown
// outcome is never written again.
//
// # Settings
//
//	HEADCOUNT_SYSTEMTEST_WRITES  writes in each load with a fault (50000)
//	HEADCOUNT_RACE               1: build the command with the race detector
//
// Each test has its own cluster on its own loopback ports. Tests with a heavy load
// run one after the other, since they measure time; those that mostly wait run in
// parallel. What a node logged is printed (its last lines) when its test fails, and
// kept whole with go test -artifacts; a node that logs a panic or a data race fails
// its test.
package systemtest
