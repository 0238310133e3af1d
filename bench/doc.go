// Command bench measures what a cluster takes, beside what this machine could give.
//
//	go run ./bench load --url http://127.0.0.1:8000,http://127.0.0.1:8001 --connections 256 --duration 10s
//
//	go run ./bench check --url …        writes, and compares what is there with what was acknowledged
//	go run ./bench compare              the same job, with Redis, PostgreSQL and etcd
//	go run ./bench failover --times 20  kills, pauses and stops leaders
//	go run ./bench soak                 for long, at a fixed rate
//
// It is a client of the HTTP API and knows nothing else of Headcount; the last three
// start clusters of their own, see package local.
//
// # How the load is made
//
// A closed loop: each connection has one goroutine, which sends a request, reads the
// whole reply, and only then sends the next. With --rate, an open loop: requests are
// due at fixed instants whatever becomes of the ones before, any connection that is
// free takes the next one, and latency counts from the instant it was due; see [pace].
// Users are drawn uniformly, segments by
// Zipf's law, expiries uniformly within 14 days. Each goroutine has one request,
// built once, in which it overwrites the names in place: names have a fixed width,
// so the length never changes. The generator shares the processors with what it
// measures, so in its loop it allocates nothing and reads replies by hand.
//
// # How the figures are made comparable
//
// A figure of writes per second says as much about the machine and its mood as about
// the cluster. So the same run drives a fasthttp handler that does nothing, in as
// many other processes as there are URLs, with the same bytes over as many
// connections. The two take turns, a slice of two seconds each, so that a noisy
// neighbour disturbs both: empty, cluster, empty, ..., cluster, empty. What travels
// between machines is the ratio. At a fixed rate each has one turn, and latencies are
// what is compared. With --beside, writes to the cluster go on through the turns of both.
//
// # Failures
//
//	503 with a problem document     counted; the connection pauses for Retry-After
//	504 with a problem document     counted
//	any other status, a cut, a      counted, and the exit status is 1
//	timeout, a rejected record
//	not one write acknowledged      the exit status is 1
//	wrong arguments                 the exit status is 2, nothing is sent
//
// # Failover
//
// Writers write memberships of one segment, each of another user, at a fixed rate, and
// repeat each write at one node after the other until it is acknowledged, while the
// leader of the shard is killed, paused or stopped in order. So the number of users in
// the segment must be the number of acknowledged writes: fewer is a loss, and more than
// were sent is a ghost; either gives exit status 1. A fault happens when the cluster has
// been steady for longer than until a leader hands over to the preferred one.
//
// # Check
//
// What a request had in it is not kept but drawn again, from the same seed; kept is one
// byte of each, what became of it: acknowledged, not applied, or unknown. So in the end the
// cluster owes each membership that was acknowledged, with its latest expiry, and may have
// those that are unknown. All names begin with a prefix that no other run has, so the counts of
// whole segments can be compared.
//
// # Compare
//
// A peer is started, filled, measured and stopped, and then the next. Each sender has one
// request under way, and writes the bytes of the peer's protocol by hand where that is
// short (HTTP, Redis, gRPC), so that the generator weighs little; for PostgreSQL it is pgx.
//
// # Bounds
//
// A request that has no reply 15 seconds after its slice ended is a timeout. Latencies
// are kept to within 1 %. A reply has at most 1 MiB. A check keeps 16 bytes of each
// record, of at most 20 million.
package main
