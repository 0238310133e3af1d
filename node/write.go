package node

import (
	"errors"

	"github.com/dchest/siphash"

	"headcount/fsm"
)

// Outcome is what became of one record: a [fsm.Status], or one of the outcomes
// below of a record that was not applied, or may not have been.
type Outcome uint8

// The outcomes beyond those of [fsm.Status].
const (
	OutcomeNotApplied Outcome = 100
	OutcomeUnknown    Outcome = 101
	OutcomeOutboxFull Outcome = 102 // not applied: PostgreSQL is too far behind
)

// Write makes one change and waits until it is committed and applied by its
// shard's leader. The error is nil, a *NotApplied or an *Unknown. The record's
// bytes are not kept.
func (n *Node) Write(r fsm.Record) (fsm.Status, ShardIndex, error) {
	c, err := n.born()
	if err != nil {
		return 0, ShardIndex{}, err
	}
	shard := c.shardOf(r.ID)
	var room [1]ticket
	tickets, err := c.replicas[shard].lane.add(room[:0], r)
	if err != nil {
		return 0, ShardIndex{}, err
	}
	b := tickets[0].batch
	<-b.done
	if b.err != nil {
		return 0, ShardIndex{}, b.err
	}
	return b.statuses[tickets[0].at], ShardIndex{shard, b.index}, nil
}

// WriteAll makes many changes and waits for all of them. They may be applied in any
// order: for puts that is the same, as the later expiry wins. It sets outcomes[i] for each record and returns
// the highest index of each shard. The error is the first failure, a *NotApplied
// or an *Unknown: the outcomes say which records it concerns.
func (n *Node) WriteAll(records []fsm.Record, outcomes []Outcome) ([]ShardIndex, error) {
	c, err := n.born()
	if err != nil {
		for i := range records {
			outcomes[i] = OutcomeNotApplied
		}
		return nil, err
	}
	tickets := make([]ticket, 0, len(records))
	var first error
	for i, r := range records {
		tickets, err = c.replicas[c.shardOf(r.ID)].lane.add(tickets, r)
		if err != nil {
			outcomes[i] = FailureOutcome(err)
			tickets = append(tickets, ticket{})
			first = firstOf(first, err)
		}
	}
	highest := make([]uint64, len(c.replicas))
	for i, t := range tickets {
		if t.batch == nil {
			continue
		}
		<-t.batch.done
		if err := t.batch.err; err != nil {
			outcomes[i] = FailureOutcome(err)
			first = firstOf(first, err)
			continue
		}
		outcomes[i] = Outcome(t.batch.statuses[t.at])
		shard := c.shardOf(records[i].ID)
		highest[shard] = max(highest[shard], t.batch.index)
	}
	var version []ShardIndex
	for shard, index := range highest {
		if index > 0 {
			version = append(version, ShardIndex{uint32(shard), index})
		}
	}
	return version, first
}

// firstOf keeps the first failure, but prefers one that leaves the outcome open:
// that is what the client must know.
func firstOf(first, err error) error {
	var open *Unknown
	if first == nil || errors.As(err, &open) && !errors.As(first, &open) {
		return err
	}
	return first
}

// FailureOutcome returns the outcome that a failed write stands for.
func FailureOutcome(err error) Outcome {
	var open *Unknown
	var refusal *NotApplied
	switch {
	case errors.As(err, &open):
		return OutcomeUnknown
	case errors.As(err, &refusal) && refusal.OutboxFull:
		return OutcomeOutboxFull
	default:
		return OutcomeNotApplied
	}
}

// shardOf says which shard a user belongs to. It hashes with the cluster's key, its
// halves exchanged, so that the shard says nothing about the hash that the shard's
// machine uses.
func (c *core) shardOf(id []byte) uint32 {
	return uint32(siphash.Hash(c.hashKey[1], c.hashKey[0], id) % uint64(len(c.replicas)))
}

func (c *core) replicaOf(id []byte) *replica { return c.replicas[c.shardOf(id)] }
