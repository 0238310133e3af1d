// Command fsmbench measures the state machine of one shard: its memory, its speed and
// its stalls, beside what a user would otherwise have and what the machine could give.
//
//	go run ./fsm/fsmbench [--members 20000000] [--segments 300]
//	    [--only memory,apply,stall,snapshot,restore,limits,peers]
//	    [--json FILE] [--markdown FILE] [--seed N] [--dir DIRECTORY]
//
// Some parts consist of two, which --only takes by themselves: memory/sizes,
// memory/segments, apply/rates, apply/gc, stall/alone, stall/snapshots, peers/maps and
// peers/redis.
//
// It uses the public face of package fsm only, and feeds it as Raft does: encoded
// entries of 1,000 memberships, applied one after the other, the outbox acknowledged
// after every eighth.
//
// # The data
//
// Every membership is computed from its number when it is needed and none is stored.
// The segments' sizes follow Zipf's law with s = 1 exactly; the memberships come in
// random order; each has a user of its own, with an ID of 12 to 16 bytes; expiries are
// spread evenly over 14 days, buckets are a minute wide. All of it follows from the
// seed, which is printed.
//
// Each measurement is made in a process of its own, so that heaps do not mix. Entries
// are encoded outside the time that is measured, into buffers that are used again. The
// status of every record, the machine's own count of memberships, and the counts of
// every segment are compared with what was put: a machine that is wrong fails the run
// instead of showing good figures.
//
// # The rows
//
// Memberships are for the default of 20 million; with others, all parts shrink alike.
//
//	memory    at 1, 5, 10 and 20 million
//	  heap + mapped       what Go's runtime has in use (heap, stacks, its own tables)
//	                      and what the machine maps beside it, less what the generator
//	                      used before there was a machine. "As it is": no collection
//	                      was asked for. RSS is the kernel's word, as a cross-check: it
//	                      also has what Go has freed and not returned.
//	  highest             the most per membership on the way from 1 to 20 million, as
//	                      it is, seen every 100,000
//	  10,000 segments     of 10 memberships each; "a minute later": the first read
//	                      after a bucket has ended
//	apply     batches at 10 million, GOMAXPROCS=1, so that collecting garbage shares
//	          the core; medians of 7 rounds, by turns with the machine's limits
//	  create, renew, …    new users; random existing ones, a day later; half and half;
//	                      existing ones as they were first put, as a retry would.
//	                      Acknowledging the outbox is in the time.
//	  to … reads          ratio to the limit of the same round, see limits, over as
//	                      many bytes as the machine maps (or has in the heap, where it
//	                      maps none)
//	  held in huge pages  what the kernel says of the process: whether the machine's
//	                      own memory lies in huge pages
//	gc        the collector's processor time to its sum with that of Apply, the
//	          generator left out: growing to 20 million, and under 10 million more puts
//	          at that size. Only cycles that the load itself caused are in it.
//	stall     single Applies of 1,000 memberships; once alone, and once while snapshots
//	          are persisted to a file one after the other
//	  0 to 20 M           of new users
//	  tick                Apply of the one that ends half of them
//	  after the tick      10 million puts, half of ended memberships, half renewals
//	snapshot  at 20 million
//	  Snapshot()          called 9 times, with a batch between two
//	  stream, Persist     to a file, with the disk's sync
//	  extra memory        the highest heap + mapped while a snapshot is persisted under
//	                      renewals at a steady rate, beyond what was used before, to
//	                      what the machine holds; looked at every 5 ms, no collection
//	                      is asked for after the start
//	restore   of that file, which the kernel still has in memory
//	limits    random reads of single cache lines (64 bytes) over 8, 16 and 32 bytes per
//	          membership. Dependent: each line holds the place of the next, all in one
//	          random cycle. Independent: the places are computed, so that the processor
//	          overlaps the reads. Ordinary pages (asked for) and huge ones (asked for).
//	peers     the same memberships in what a user would otherwise have
//	  Go map              one for each segment, from the ID to a bucket. Exact and
//	                      fast, but without expiry, counts at an instant, or snapshots.
//	  Redis ZADD          one sorted set for each segment, scored by expiry; its own
//	                      used_memory, less the empty server's. ZADD GT, which never
//	                      shortens either: 1,000 renewals in a pipeline, one membership
//	                      a command. Left out where there is no redis-server; one is
//	                      started on a free loopback port, without persistence, and
//	                      ended with the run.
//
// A bound in the column "asked" is what Headcount promises at 20 million; other sizes
// have fixed costs to share among fewer.
//
// # Exit status
//
// 0 when everything was measured, whether or not the bounds are met; 1 when something
// could not be measured or was wrong, with the table of what was; 2 for wrong arguments.
package main
