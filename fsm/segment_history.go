package fsm

import "slices"

// HistoryCount is what one segment counted at one tick.
type HistoryCount struct {
	At    int64 // Unix seconds: the scheduled instant
	Count int64 // 0 where the segment had nobody
}

// SegmentHistory returns what the segment counted at the ticks kept whose scheduled
// instants (Unix seconds) lie in [from, to], oldest first: 0 where it had nobody, so
// that every tick kept has its element, whatever the segment. There are at most
// [Settings].HistoryPoints.
func (m *Machine) SegmentHistory(title []byte, from, to int64) []HistoryCount {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var counts []HistoryCount
	for _, p := range m.mu.state.history {
		if p.At < from || p.At > to {
			continue
		}
		c := HistoryCount{At: p.At}
		if i, found := slices.BinarySearch(p.Titles, string(title)); found {
			c.Count = p.Counts[i]
		}
		counts = append(counts, c)
	}
	return counts
}
