// Package cli is the headcount command, and the one place where the parts of
// Headcount are bound together.
//
// [Main] is the command as a function: it takes its arguments, writes to the
// writers it is given, ends when its context does, and returns an exit status, so
// that a test can run it. Each subcommand is a file.
//
//	serve        one node, in the foreground
//	dev          a whole local cluster: three nodes, each a process, and PostgreSQL
//	seed         posts random users
//	status       prints the cluster as a table
//	migrate      moves PostgreSQL's schema up or down
//	healthcheck  asks a URL, for container health checks
//	version      prints the version
//
// The parts do not know each other: [service] gives the api package a node,
// [copier] gives pgsink a shard's outbox.
package cli
