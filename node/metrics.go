package node

import (
	"fmt"
	"io"

	"github.com/VictoriaMetrics/metrics"
)

// WriteMetrics appends this node's metrics in the Prometheus text format.
func (n *Node) WriteMetrics(w io.Writer) {
	ready, _ := n.Ready()
	metrics.WriteGaugeUint64(w, "headcount_ready", flag(ready))
	metrics.WriteCounterUint64(w, "headcount_diverged_total", uint64(n.diverged.Load()))
	n.overlaps.writeMetrics(w)
	c := n.core.Load()
	if c == nil {
		return
	}
	for _, r := range c.replicas {
		s := r.machine.Stats()
		logBytes, _ := r.group.store.sinceSnapshot()
		for _, m := range [...]struct {
			name  string
			value uint64
		}{
			{"leader", flag(r.group.leads())},
			{"index", s.Index},
			{"memberships", uint64(s.Memberships)},
			{"segments", uint64(s.Segments)},
			{"mapped_bytes", uint64(r.machine.MappedBytes())},
			{"used_bytes", uint64(r.machine.UsedBytes())},
			{"watermark_seconds", uint64(s.Watermark)},
			{"last_tick_seconds", uint64(s.LastTick)},
			{"outbox_rows", uint64(s.OutboxRows)},
			{"outbox_bytes", uint64(s.OutboxBytes)},
			{"outbox_window_bytes", uint64(s.OutboxWindowBytes)},
			{"outbox_memory_bytes", uint64(s.OutboxMemoryBytes)},
			{"outbox_since_seconds", uint64(s.OutboxSince)},
			{"queue_bytes", uint64(r.lane.waitingBytes())},
			{"log_bytes_since_snapshot", uint64(logBytes)},
		} {
			metrics.WriteGaugeUint64(w, fmt.Sprintf("headcount_shard_%s{shard=\"%d\"}", m.name, r.shard), m.value)
		}
	}
	metrics.WriteProcessMetrics(w)
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
