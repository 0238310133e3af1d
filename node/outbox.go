package node

import (
	"context"
	"fmt"
	"time"

	"headcount/fsm"
)

// Copier copies a shard's outbox to PostgreSQL. It is called when this node
// becomes the shard's leader and must return soon after ctx ends, which is when
// it no longer is.
type Copier func(ctx context.Context, incarnation string, shard uint32, outbox *Outbox)

// A flush costs PostgreSQL a transaction and a write to disk whatever its size, and a
// large one, whose rows are sorted by key, walks through an index where small ones jump
// about in it. So entries wait for more to come with them: gatherFor, and as long
// again and again while they come fast, at most gatherRoundsMax times.
const (
	gatherFor       = 100 * time.Millisecond
	gatherRoundsMax = 10
	gatherFastRows  = 200    // in one round
	gatherRowsMax   = 10_000 // with so many it leaves; more, where PostgreSQL is behind, are there already
)

// Outbox is a shard leader's view of its outbox, for one leadership.
type Outbox struct {
	replica *replica
	begin   uint64 // where the log ended when that began
}

// Next waits until there are entries above index and returns some of them, whole:
// as many as fit into rowsMax rows, at least one. When there are fewer than that, it
// waits a moment for more.
func (o *Outbox) Next(ctx context.Context, index uint64, rowsMax int) (fsm.OutboxBatch, error) {
	for {
		changed := o.replica.machine.Changed()
		if b, ok := o.replica.machine.OutboxNext(index, rowsMax); ok {
			return o.gather(ctx, b, index, rowsMax), nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fsm.OutboxBatch{}, ctx.Err()
		}
	}
}

// gather gives a batch that is not full some time to grow.
func (o *Outbox) gather(ctx context.Context, b fsm.OutboxBatch, index uint64, rowsMax int) fsm.OutboxBatch {
	for range gatherRoundsMax {
		if b.Rows >= min(rowsMax/2, gatherRowsMax) {
			break
		}
		pause(ctx, gatherFor)
		more, ok := o.replica.machine.OutboxNext(index, rowsMax)
		if !ok {
			break // trimmed meanwhile: the flush will find that out
		}
		grown := more.Rows - b.Rows
		if b = more; grown < gatherFastRows || ctx.Err() != nil {
			break
		}
	}
	return b
}

// Acked returns the index up to which the cluster knows PostgreSQL to have
// everything.
func (o *Outbox) Acked() uint64 { return o.replica.machine.OutboxAcked() }

// Begin returns where the shard's log ended when this leadership began, at or above the index
// of every batch that a leader before it had. It fails once another node leads.
func (o *Outbox) Begin(ctx context.Context) (uint64, error) {
	if _, err := o.replica.readIndex(ctx); err != nil {
		return 0, fmt.Errorf("shard %d: %w", o.replica.shard, err)
	}
	return o.begin, nil
}

// Dropped returns the index up to which entries have left the outbox; all later ones are
// there.
func (o *Outbox) Dropped() uint64 { return o.replica.machine.OutboxDropped() }

// Ack replicates that PostgreSQL has everything up to index.
func (o *Outbox) Ack(ctx context.Context, index uint64) error {
	_, err := o.replica.group.apply(ctx, fsm.AppendAck(nil, index))
	return err
}
