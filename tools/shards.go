package tools

import (
	"fmt"
	"io"
	"strings"

	"headcount/client"
)

// writeShards gives each shard a row. Memberships and segments are its leader's.
func writeShards(out io.Writer, shards []client.ShardStatus) {
	head := "SHARD\tLEADER\tTERM\tINDEX\tMEMBERSHIPS\tSEGMENTS\tREPLICAS (LAG)\tDIGESTS\tDRAINED TO\tOUTBOX ROWS"
	table(out, head, func(row func(...any)) {
		for _, s := range shards {
			leader := leaderOf(s)
			row(s.Shard, orNone(s.Leader), s.Term, leader.Index, leader.Memberships, leader.Segments,
				lags(s.Replicas), digests(s.Replicas), instant(s.Watermark), s.OutboxRows)
		}
	})
}

// leaderOf returns the leader's replica, or the one furthest on while none leads.
func leaderOf(s client.ShardStatus) client.ReplicaStatus {
	var furthest client.ReplicaStatus
	for _, r := range s.Replicas {
		if r.Node == s.Leader {
			return r
		}
		if r.Index >= furthest.Index {
			furthest = r
		}
	}
	return furthest
}

// lags lists the replicas with the entries each is behind: "n1 (0) n2 (12, nonvoter)".
func lags(replicas []client.ReplicaStatus) string {
	var list []string
	for _, r := range replicas {
		if r.Role == "nonvoter" {
			list = append(list, fmt.Sprintf("%s (%d, nonvoter)", r.Node, r.Lag))
		} else {
			list = append(list, fmt.Sprintf("%s (%d)", r.Node, r.Lag))
		}
	}
	return strings.Join(list, " ")
}

// digests compares the replicas. Only those at the same index must agree; of the
// others nothing can be said.
func digests(replicas []client.ReplicaStatus) string {
	digestAt := map[uint64]string{} // by index
	compared := false
	for _, r := range replicas {
		known, ok := digestAt[r.Index]
		if ok && known != r.Digest {
			return "DIFFER"
		}
		compared = compared || ok
		digestAt[r.Index] = r.Digest
	}
	if !compared {
		return "-"
	}
	return "agree"
}
