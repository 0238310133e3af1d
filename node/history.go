package node

import (
	"cmp"
	"slices"

	"headcount/fsm"
)

// History returns what a segment counted at the ticks kept whose scheduled instants
// (Unix seconds) lie in [from, to], oldest first.
//
// The shards tick at the same scheduled instants, each by an entry of its own log. A
// tick that one of them has not applied here yet, or does not keep any more, is left
// out: a sum over the others would be a count that never was.
func (n *Node) History(r Read, title []byte, from, to int64) ([]Point, error) {
	c, err := n.born()
	if err != nil {
		return nil, err
	}
	if _, err := n.await(c, r); err != nil {
		return nil, err
	}
	shards := make([][]fsm.HistoryCount, len(c.replicas))
	for i, replica := range c.replicas {
		shards[i] = replica.machine.SegmentHistory(title, from, to)
	}
	return sumHistory(shards), nil
}

// sumHistory adds up the ticks that all shards have. Each shard's ascend.
func sumHistory(shards [][]fsm.HistoryCount) []Point {
	var points []Point
	for _, c := range shards[0] {
		points = append(points, Point{c.At, c.Count})
	}
	for _, shard := range shards[1:] {
		kept := points[:0]
		for _, p := range points {
			i, found := slices.BinarySearchFunc(shard, p.At, func(c fsm.HistoryCount, at int64) int { return cmp.Compare(c.At, at) })
			if found {
				kept = append(kept, Point{p.At, p.UsersCount + shard[i].Count})
			}
		}
		points = kept
	}
	return points
}
