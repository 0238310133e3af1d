// Package clienttest serves Headcount's HTTP API from a plain map, for the tests of
// its clients. It is one node with one shard, and nothing of it survives.
//
// The status of a write, the order of the counts and the shape of the replies are
// the API's. Faults are asked for with [Server.FailNext].
package clienttest
