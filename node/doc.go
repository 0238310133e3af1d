// Package node is one running node of a cluster: its replicas of the shards, the
// write path, the reads, and its part in joining, leaving and ticking.
//
// # How a write becomes a count
//
//	Node.Write ─> lane (one per shard) ─> proposer of the shard's leader ─> Raft ─> every fsm.Machine
//
// A lane gathers the writes that arrive at this node for one shard. While one
// batch is on its way the next one fills. When it is back, the next one waits a
// moment for those it answered; a writer that is alone never waits. The leader's
// proposer puts the batches that have arrived from all nodes into one entry, in
// the same way. The reply to a write comes after the entry was committed and
// applied on the leader.
//
// # At most once
//
// Each of a lane's two senders has one batch on its way at a time, under (instance
// and sender, epoch, sequence). When the leader changes or a reply is lost it sends
// the same batch again, to whoever leads now, and the state machine answers a repeat from memory. A batch that is
// given up is fenced by the next one: its sequence is higher.
//
// The epoch is the number of times that the node has started, kept on disk, so a
// restarted node is never taken for its former self.
//
// # Leadership
//
// What only a leader does (proposing, ticking, copying to PostgreSQL, changing
// the group's configuration) runs under a context that ends with the leadership,
// and is waited for before the next term's work begins.
//
// # Failures
//
//	no leader, queue full, outbox full    [NotApplied]: the write had no effect and never will
//	leadership or reply lost, time over   [Unknown]: it may have had its effect; repeating is safe
//	a log write fails or stalls           the process ends: what is on disk is no longer known
//	a replica falls behind                reads that ask for more wait, then fail with [Behind]
//
// # Concurrency
//
// Every method of [Node] may be called from any goroutine. [Node.Close] stops and
// waits for everything that [Open] started.
package node
