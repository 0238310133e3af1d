package fsm_test

import (
	"math/rand/v2"
	"testing"
)

// What a machine does that no longer fits the processor's caches: a million
// memberships, visited at random.
func BenchmarkMillion(b *testing.B) {
	const users = 1_000_000
	s := newBenchShard(b)
	s.applyAll(benchEntries(users/benchBatchRecords, 0, 1, noon+day))
	random, sequence := rand.New(rand.NewPCG(1, 0)), uint64(users/benchBatchRecords)

	b.Run("ApplyRenew", func(b *testing.B) {
		// Every round visits all users in another order, a fortnight later.
		var renewals [][]byte
		b.ReportAllocs()
		for round, next := int64(1), 0; b.Loop(); next++ {
			if next == len(renewals) {
				b.StopTimer()
				renewals, next = nil, 0
				order := random.Perm(users)
				for len(order) > 0 {
					sequence++
					e := batch{origin: "node-1", epoch: 1, sequence: sequence}
					for _, user := range order[:benchBatchRecords] {
						expiry := noon + day + round*14*day + int64(user%(14*day))
						e.records = append(e.records, put(numbered("user", user), numbered("segment", user%300), expiry))
					}
					renewals = append(renewals, batches{noon, []batch{e}}.encode())
					order = order[benchBatchRecords:]
				}
				round++
				s.propose(ack(s.index))
				b.StartTimer()
			}
			s.index++
			s.apply(s.index, renewals[next])
		}
		reportRate(b, benchBatchRecords)
	})

	b.Run("User", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			user := numbered("user", random.IntN(users))
			if held := s.User(noon, []byte(user)); len(held) != 1 {
				b.Fatalf("%s is in %v", user, held)
			}
		}
	})
}
