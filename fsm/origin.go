package fsm

// originsMax bounds how many origins a machine remembers. An origin is one of a
// node's few senders, so the bound is far above any cluster; the one unheard for
// longest goes first.
const originsMax = 1024

// origin is the last batch that one sender of a node had applied here.
//
// (epoch, sequence) only grows. Remembering one batch is enough because an origin
// sends the next only after the last is settled or given up.
type origin struct {
	epoch    uint64
	sequence uint64
	index    uint64 // the entry in which it was applied
	statuses []Status
}

// Verdict says what became of a batch.
type Verdict uint8

// The verdicts.
const (
	Applied    Verdict = iota + 1 // just now
	Repeated                      // before; the statuses are those of the first time
	Stale                         // an older one than the last of its origin: nothing was applied
	OutboxFull                    // refused: nothing was applied
)

// seen decides whether the batch is new. For a repeat it returns the statuses
// remembered.
func (st *state) seen(b Batch) (Verdict, []Status) {
	o := st.origins[b.Origin]
	switch {
	case o == nil, b.Epoch > o.epoch, b.Epoch == o.epoch && b.Sequence > o.sequence:
		return Applied, nil
	case b.Epoch == o.epoch && b.Sequence == o.sequence:
		return Repeated, o.statuses
	default:
		return Stale, nil
	}
}

// remember makes the batch the last of its origin.
func (st *state) remember(b Batch, index uint64, statuses []Status) {
	o := st.origins[b.Origin]
	if o == nil {
		if len(st.origins) == originsMax {
			st.forgetOldestOrigin()
		}
		o = &origin{}
		st.origins[b.Origin] = o
	} else {
		st.originSum -= o.digest(b.Origin)
	}
	o.epoch, o.sequence, o.index = b.Epoch, b.Sequence, index
	o.statuses = append(o.statuses[:0], statuses...)
	st.originSum += o.digest(b.Origin)
}

func (st *state) forgetOldestOrigin() {
	oldest := ""
	for name, o := range st.origins {
		if oldest == "" {
			oldest = name
			continue
		}
		if p := st.origins[oldest]; o.index < p.index || o.index == p.index && name < oldest {
			oldest = name
		}
	}
	st.originSum -= st.origins[oldest].digest(oldest)
	delete(st.origins, oldest)
}
