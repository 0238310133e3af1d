package config

import (
	"fmt"
	"time"
)

// rules checks what no key can tell alone. A key with a problem of its own is
// left out: what it should have said is not known.
func (r *reader) rules(c *Config) {
	if len(c.Nodes) == 0 && !r.refused["nodes"] {
		r.refuse(r.lines["nodes"], "nodes", "no node: write at least one, with id, http, peer and gossip")
	}
	r.distinct(c.Nodes)

	heartbeat := length("raft.heartbeat_timeout", c.Raft.HeartbeatTimeout)
	r.ordered(length("raft.leader_lease_timeout", c.Raft.LeaderLeaseTimeout), heartbeat)
	r.ordered(heartbeat, length("raft.election_timeout", c.Raft.ElectionTimeout))
	r.ordered(length("write.default_lifetime", c.Write.DefaultLifetime), length("write.lifetime_max", c.Write.LifetimeMax))
	r.ordered(volume("http.body_bytes_max", c.HTTP.BodyBytesMax), volume("http.bulk_body_bytes_max", c.HTTP.BulkBodyBytesMax))
}

// operand is one side of a rule: a key with its value, in numbers and in words.
type operand struct {
	key   string
	value int64
	words string
}

func length(key string, d time.Duration) operand {
	return operand{key, int64(d), formatSpan(d)}
}

func volume(key string, n int) operand {
	return operand{key, int64(n), formatBytes(int64(n))}
}

// ordered wants low <= high. The problem stands at the low key if that was
// given, for then it is the likelier slip, and else at the high one.
func (r *reader) ordered(low, high operand) {
	if low.value <= high.value || r.refused[low.key] || r.refused[high.key] {
		return
	}
	if line, given := r.lines[low.key]; given {
		r.refuse(line, low.key, "%s is more than %s, which is %s (%s): write at most that here, or raise it there",
			low.words, high.key, high.words, r.place(high.key))
		return
	}
	r.refuse(r.lines[high.key], high.key, "%s is less than %s, which is %s (%s): write at least that here, or lower it there",
		high.words, low.key, low.words, r.place(low.key))
}

// place says where the value of a key comes from.
func (r *reader) place(key string) string {
	if line, given := r.lines[key]; given {
		return fmt.Sprintf("line %d", line)
	}
	return "by default"
}
