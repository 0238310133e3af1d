package fsm

import "slices"

// HistoryPoint is what every segment counted at one tick. It is immutable.
type HistoryPoint struct {
	At     int64    // Unix seconds: the scheduled instant
	Titles []string // sorted
	Counts []int64  // Counts[i] belongs to Titles[i], > 0
}

// keepHistory adds a point. The buckets up to the instant have just been drained,
// so what is stored is what is counted.
func (st *state) keepHistory(at int64) {
	p := HistoryPoint{At: at, Titles: st.sortedTitles()}
	p.Counts = make([]int64, len(p.Titles))
	for i, title := range p.Titles {
		p.Counts[i] = st.segments[title].stored
	}
	st.history = append(st.history, p)
	st.historySum += p.digest()
	st.trimHistory()
}

func (st *state) trimHistory() {
	for uint64(len(st.history)) > st.settings.HistoryPoints {
		st.historySum -= st.history[0].digest()
		st.history[0] = HistoryPoint{}
		st.history = st.history[1:]
	}
}

// History returns the points kept, oldest first. They are shared: do not write to
// them.
func (m *Machine) History() []HistoryPoint {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.mu.state.history)
}
