package fsm

// CountsAt calls visit with the number of memberships of every segment that will
// still be live at the instant at (Unix seconds) if nobody renews, for those that
// have any, in no particular order, and returns the index they belong to. An at
// before now reads as now, and now is as for [Machine.Counts]. visit
// runs under the machine's lock: it must be quick and must not call back.
func (m *Machine) CountsAt(now, at int64, visit func(title string, count int64)) (index uint64) {
	defer m.lockAt(now).Unlock()
	st := m.mu.state
	ended := max(st.horizon, st.endedBucket(at))
	for title, s := range st.segments {
		if left := s.live - s.tally.Sum(st.tallies, st.horizon, ended); left > 0 {
			visit(title, left)
		}
	}
	return st.index
}

// Forecast adds to counts[i] the number of memberships of the segment that will
// still be live at instants[i] (Unix seconds) if nobody renews, and returns the
// index that this belongs to. The two are equally long, and instants ascend; one
// before now reads as now, and now is as for [Machine.Counts]. So the
// shards of a cluster can add to the same counts, one after the other.
func (m *Machine) Forecast(now int64, title []byte, instants, counts []int64) (index uint64) {
	defer m.lockAt(now).Unlock()
	st := m.mu.state
	s := st.segments[string(title)]
	if s == nil {
		return st.index
	}
	left, from := s.live, st.horizon
	for i, at := range instants {
		ended := max(from, st.endedBucket(at))
		left -= s.tally.Sum(st.tallies, from, ended)
		counts[i] += left
		from = ended
	}
	return st.index
}
