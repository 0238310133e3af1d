package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"headcount/fsm"
)

// readTimeout bounds how long a read waits for this node to catch up.
const readTimeout = 3 * time.Second

// ShardIndex says that a shard's entry has been applied.
type ShardIndex struct {
	Shard uint32
	Index uint64
}

// Read says how fresh a read must be.
type Read struct {
	Linearizable bool         // as of this moment, by any node
	Min          []ShardIndex // at least these: what a write returned
}

// Counts returns the live memberships of every segment.
func (n *Node) Counts(r Read) (*CountsView, error) {
	c, err := n.born()
	if err != nil {
		return nil, err
	}
	floor, err := n.await(c, r)
	if err != nil {
		return nil, err
	}
	return c.counts.get(floor)
}

// Count returns the live memberships of one segment, 0 if there is no such
// segment.
func (n *Node) Count(r Read, title []byte) (int64, error) {
	c, err := n.born()
	if err != nil {
		return 0, err
	}
	if _, err := n.await(c, r); err != nil {
		return 0, err
	}
	var sum int64
	for _, replica := range c.replicas {
		count, _ := replica.machine.Count(n.clock.now(), title)
		sum += count
	}
	return sum, nil
}

// User returns the live memberships of a user, sorted by segment.
func (n *Node) User(r Read, id []byte) ([]fsm.Membership, error) {
	c, err := n.born()
	if err != nil {
		return nil, err
	}
	if _, err := n.await(c, r); err != nil {
		return nil, err
	}
	return c.replicaOf(id).machine.User(n.clock.now(), id), nil
}

// await waits until this node's machines are as fresh as asked, and returns what
// they have at least, by shard; nil when nothing was asked.
func (n *Node) await(c *core, r Read) (floor []uint64, err error) {
	if !r.Linearizable && len(r.Min) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(n.ctx, readTimeout)
	defer cancel()
	floor = make([]uint64, len(c.replicas))
	for _, m := range r.Min {
		if int(m.Shard) >= len(floor) {
			return nil, &Invalid{fmt.Sprintf("there is no shard %d here: the version is of another cluster, leave it out", m.Shard)}
		}
		floor[m.Shard] = max(floor[m.Shard], m.Index)
	}
	if r.Linearizable {
		if err := n.raise(ctx, c, floor); err != nil {
			return nil, err
		}
	}
	for shard, index := range floor {
		if err := c.replicas[shard].machine.WaitIndex(ctx, index); err != nil {
			return nil, &Behind{fmt.Sprintf("this node has not reached index %d of shard %d within %v", index, shard, readTimeout)}
		}
	}
	return floor, nil
}

// raise asks every shard's leader for the index that this moment stands for.
func (n *Node) raise(ctx context.Context, c *core, floor []uint64) error {
	errs := make([]error, len(floor))
	var asking sync.WaitGroup
	for shard, r := range c.replicas {
		asking.Go(func() {
			index, err := r.askReadIndex(ctx)
			floor[shard] = max(floor[shard], index)
			errs[shard] = err
		})
	}
	asking.Wait()
	if err := errors.Join(errs...); err != nil {
		return &Behind{fmt.Sprintf("no linearizable read now: %v", err)}
	}
	return nil
}

// askReadIndex asks the shard's leader, whoever it is, until ctx ends.
func (r *replica) askReadIndex(ctx context.Context) (uint64, error) {
	last := errors.New("no leader is known")
	for ctx.Err() == nil {
		leader, until := r.group.leader()
		if leader != "" {
			index, err := r.tryReadIndex(ctx, until, leader)
			if err == nil {
				return index, nil
			}
			last = err
		}
		pause(ctx, retryPause)
	}
	return 0, fmt.Errorf("shard %d: %w", r.shard, last)
}

func (r *replica) tryReadIndex(ctx, until context.Context, leader string) (uint64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(until, cancel)()
	if leader == r.self {
		return r.readIndex(ctx)
	}
	reply, err := r.peers.call(ctx, leader, kindReadIndex, binary.AppendUvarint(nil, uint64(r.shard)))
	if err != nil {
		return 0, err
	}
	index, n := binary.Uvarint(reply)
	if n <= 0 {
		return 0, errors.New("the leader's answer is damaged")
	}
	return index, nil
}
