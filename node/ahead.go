package node

// Point is what a segment counts at one instant.
type Point struct {
	At         int64 // Unix seconds
	UsersCount int64
}

// CountsAt returns the memberships of every segment that will still be live at the
// instant at (Unix seconds) if nobody renews. One before now reads as now.
func (n *Node) CountsAt(r Read, at int64) (*CountsView, error) {
	c, err := n.born()
	if err != nil {
		return nil, err
	}
	if _, err := n.await(c, r); err != nil {
		return nil, err
	}
	return c.counts.ahead(at)
}

// Forecast returns how many of a segment's live memberships will still be live now,
// and at every step (in seconds, at least 1) from now on up to until (Unix seconds)
// if nobody renews. now is when the node has become as fresh as asked. The caller
// bounds the number of points.
func (n *Node) Forecast(r Read, title []byte, until, step int64) ([]Point, error) {
	c, err := n.born()
	if err != nil {
		return nil, err
	}
	if _, err := n.await(c, r); err != nil {
		return nil, err
	}
	now := n.clock.now()
	instants := []int64{now}
	for at := now; step <= until-at; {
		at += step
		instants = append(instants, at)
	}
	counts := make([]int64, len(instants))
	for _, replica := range c.replicas {
		replica.machine.Forecast(now, title, instants, counts)
	}
	points := make([]Point, len(instants))
	for i, at := range instants {
		points[i] = Point{at, counts[i]}
	}
	return points, nil
}
