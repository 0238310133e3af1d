package node

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// BenchmarkWrite measures single writes from 256 goroutines spread over three nodes
// in this process: batching, Raft and the disk, without HTTP.
func BenchmarkWrite(b *testing.B) {
	for _, shards := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprintf("shards=%d", shards), func(b *testing.B) {
			c := newTestCluster(b, 3, shards)
			c.startAll()
			nodes := []*Node{c.nodes["n1"], c.nodes["n2"], c.nodes["n3"]}
			var next atomic.Int64
			b.SetParallelism(128)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				worker := next.Add(1)
				n := nodes[worker%3]
				for pb.Next() {
					i := next.Add(1)
					if _, _, err := n.Write(put(fmt.Sprintf("u%d", i%1_000_000), fmt.Sprintf("s%d", i%300), nextWeek)); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
