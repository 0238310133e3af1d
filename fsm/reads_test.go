package fsm_test

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"headcount/fsm"
)

// followerModel is what the follower promises: the model after the entries that the
// follower has applied.
type followerModel struct {
	*model
	applied int
}

// modelOf returns the model of a replica, as far as the replica has come.
func (tr *trial) modelOf(r *replica) *model {
	if r == tr.leader {
		return tr.model
	}
	if tr.behind.model == nil {
		tr.behind.model = newModel(tr.config)
	}
	for ; tr.behind.applied < tr.followed; tr.behind.applied++ {
		l := tr.log[tr.behind.applied]
		tr.behind.apply(l.index, l.entry)
	}
	return tr.behind.model
}

// readAhead draws who is read, and checks that reading changes nothing.
func (tr *trial) readAhead(what string, read func(r *replica, m *model)) {
	tr.t.Helper()
	r, who := tr.leader, "the leader"
	if tr.draw.below(2) == 0 {
		r, who = tr.follower, "the follower"
	}
	tr.note("%s of %s", what, who)
	if len(tr.snapshots) > 0 && r == tr.leader {
		tr.tally["a read ahead beside a snapshot"]++
	}
	if r == tr.follower && tr.followed < len(tr.log) {
		tr.tally["a read ahead of a follower that lags"]++
	}
	digest, changes := r.Stats().Digest, r.Changes()
	read(r, tr.modelOf(r))
	if r.Stats().Digest != digest || r.Changes() != changes {
		tr.fatalf("%s changed the state", what)
	}
}

// drawNow is the now of a read. It seldom moves the reader's horizon, beyond which
// little is live.
func (tr *trial) drawNow(r *replica) int64 {
	now := max(r.readAt-int64(tr.draw.below(2)*tr.draw.below(300)), 0)
	if tr.draw.below(8) == 0 {
		now = tr.near()
	}
	r.clock(now)
	tr.note("read at %d", now)
	return now
}

// drawInstant is mostly near the clock, sometimes far from it.
func (tr *trial) drawInstant() int64 {
	if tr.draw.below(8) == 0 {
		return pick(tr.draw, []int64{0, tr.clock + 1000*tr.config.BucketSeconds, math.MaxUint32 * tr.config.BucketSeconds, math.MaxInt64})
	}
	return tr.near()
}

// drawTitle is mostly a segment with somebody in it.
func (tr *trial) drawTitle(m *model, readAt int64) string {
	if titles := slices.Sorted(maps.Keys(m.counts(readAt))); len(titles) > 0 && tr.draw.below(4) > 0 {
		return pick(tr.draw, titles)
	}
	return pick(tr.draw, trialTitles)
}

func (tr *trial) stepCountsAt() {
	tr.readAhead("counts at", func(r *replica, m *model) {
		now := tr.drawNow(r)
		at := tr.drawInstant()
		got := map[string]int64{}
		index := r.CountsAt(now, at, func(title string, count int64) {
			if got[title] != 0 || count <= 0 {
				tr.fatalf("counts at %d visit %q with %d, and with %d", at, title, got[title], count)
			}
			got[title] = count
		})
		want := m.counts(max(r.readAt, at))
		if !maps.Equal(got, want) || index != m.index {
			tr.fatalf("counts at %d: %v at index %d, want %v at %d", at, got, index, want, m.index)
		}
		if at > r.readAt && len(want) > 0 {
			tr.tally["counts at a later instant"]++
		}
	})
}

func (tr *trial) stepForecast() {
	tr.readAhead("forecast", func(r *replica, m *model) {
		now := tr.drawNow(r)
		title := tr.drawTitle(m, r.readAt)
		instants := make([]int64, tr.draw.below(6))
		for i := range instants {
			instants[i] = tr.drawInstant()
		}
		slices.Sort(instants)
		got, want := make([]int64, len(instants)), make([]int64, len(instants))
		for i, at := range instants {
			got[i] = int64(tr.draw.below(3)) // what other shards have
			want[i] = got[i] + m.counts(max(r.readAt, at))[title]
		}
		given := slices.Clone(instants)
		index := r.Forecast(now, []byte(title), instants, got)
		if !slices.Equal(got, want) || index != m.index || !slices.Equal(instants, given) {
			tr.fatalf("forecast of %.8s at %v: %v at index %d, want %v at %d", title, given, got, index, want, m.index)
		}
		if n := len(instants); n > 0 && m.counts(max(r.readAt, instants[0]))[title] > m.counts(max(r.readAt, instants[n-1]))[title] {
			tr.tally["a forecast that falls"]++
		}
	})
}

func (tr *trial) stepOverlap() {
	tr.readAhead("overlap", func(r *replica, m *model) {
		now := tr.drawNow(r)
		titles := slices.Clone(trialTitles)
		for i := range titles {
			j := i + tr.draw.below(len(titles)-i)
			titles[i], titles[j] = titles[j], titles[i]
		}
		titles = titles[:max(2, tr.draw.below(len(titles)+1))]
		got, err := r.Overlap(tr.t.Context(), now, titles)
		want := m.overlap(r.readAt, titles)
		if fmt.Sprint(got) != fmt.Sprint(want) || err != nil {
			tr.fatalf("overlap of %.8q: %+v, %v, want %+v", titles, got, err, want)
		}
		if want.Intersection > 0 {
			tr.tally["an overlap"]++
		}
	})
}

func (tr *trial) stepSegmentHistory() {
	tr.readAhead("history", func(r *replica, m *model) {
		title := pick(tr.draw, trialTitles)
		from, to := tr.drawInstant(), tr.drawInstant()
		if tr.draw.below(2) == 0 {
			from, to = 0, math.MaxInt64
		}
		got, want := r.SegmentHistory([]byte(title), from, to), m.segmentHistory(title, from, to)
		if !slices.Equal(got, want) {
			tr.fatalf("history of %.8s from %d to %d: %v, want %v", title, from, to, got, want)
		}
		if slices.ContainsFunc(want, func(c fsm.HistoryCount) bool { return c.Count > 0 }) {
			tr.tally["a history with counts"]++
		}
	})
}

// overlap is what a reader sees whose latest now was readAt.
func (m *model) overlap(readAt int64, titles []string) fsm.Overlap {
	o := fsm.Overlap{Index: m.index, Segments: make([]int64, len(titles))}
	in := map[string]int{} // by user: in how many of them
	for who, end := range m.ends {
		if i := slices.Index(titles, who.segment); i >= 0 && end > readAt {
			o.Segments[i]++
			in[who.id]++
		}
	}
	for _, n := range in {
		o.Union++
		if n == len(titles) {
			o.Intersection++
		}
	}
	return o
}

func (m *model) segmentHistory(title string, from, to int64) (counts []fsm.HistoryCount) {
	for _, p := range m.history {
		if p.At < from || p.At > to {
			continue
		}
		c := fsm.HistoryCount{At: p.At}
		if i := slices.Index(p.Titles, title); i >= 0 {
			c.Count = p.Counts[i]
		}
		counts = append(counts, c)
	}
	return counts
}
