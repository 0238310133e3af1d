package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"
)

// town is a service that is a plain map of memberships: what a cluster looks like
// from the outside. It has two shards, by the last byte of the ID.
type town struct {
	now         time.Time
	segmentsMax int

	// refuse may give a write an outcome in the map's place; 0 lets it be. err goes
	// with it.
	refuse func(w Write) (Outcome, error)
	// readErr is returned by every read.
	readErr error
	// nodesErr is returned by Join and Leave.
	nodesErr error
	// overlapping, if set, is called by Overlap, and fails it.
	overlapping func(ctx context.Context) error
	// panicking users make the town panic.
	panicking string

	mu struct {
		sync.Mutex
		memberships map[membershipKey]int64
		counts      map[string]uint64 // of memberships, by segment
		indexes     [2]uint64
		chunks      []int // the size of each WriteAll
		reads       []Read
		ticks       []townTick // oldest first
		nodes       map[string]string
	}
}

// townTick is what the town counted at one tick.
type townTick struct {
	at     int64
	counts map[string]uint64
}

type membershipKey struct{ id, segment string }

// newTown is a town without people, at a fixed time.
func newTown() *town {
	t := &town{now: time.Unix(1_760_000_000, 0), segmentsMax: 1000}
	t.mu.memberships = map[membershipKey]int64{}
	t.mu.counts = map[string]uint64{}
	t.mu.nodes = map[string]string{}
	return t
}

func (t *town) Now() time.Time { return t.now }

func (t *town) Write(w Write) (Outcome, ShardIndex, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	outcome, err := t.apply(w)
	return outcome, t.shardIndex(w, outcome), err
}

func (t *town) WriteAll(ws []Write, outcomes []Outcome) (Version, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.chunks = append(t.mu.chunks, len(ws))
	var version Version
	var first error
	for i, w := range ws {
		outcome, err := t.apply(w)
		outcomes[i] = outcome
		if part := t.shardIndex(w, outcome); part.Index > 0 {
			version = version.merge(part)
		}
		first = cmp.Or(first, err)
	}
	return version, first
}

func (t *town) shardIndex(w Write, outcome Outcome) ShardIndex {
	if outcome >= SegmentsFull {
		return ShardIndex{}
	}
	shard := w.ID[len(w.ID)-1] % 2
	t.mu.indexes[shard]++
	return ShardIndex{Shard: uint32(shard), Index: t.mu.indexes[shard]}
}

func (t *town) apply(w Write) (Outcome, error) {
	if t.panicking != "" && string(w.ID) == t.panicking {
		panic("the town hall burns")
	}
	if t.refuse != nil {
		if outcome, err := t.refuse(w); outcome != 0 || err != nil {
			return outcome, err
		}
	}
	key := membershipKey{string(w.ID), string(w.Segment)}
	old, held := t.mu.memberships[key]
	held = held && old > t.now.Unix()
	switch {
	case w.Op == OpErase:
		for k := range t.mu.memberships {
			if k.id == key.id {
				t.end(k)
			}
		}
		return Erased, nil
	case w.Op == OpDelete && held:
		t.end(key)
		return Deleted, nil
	case w.Op == OpDelete:
		return Absent, nil
	case held && w.Expiry <= old:
		return Unchanged, nil
	case !held && w.Expiry <= t.now.Unix():
		return Expired, nil
	}
	if t.mu.counts[key.segment] == 0 && len(t.mu.counts) >= t.segmentsMax {
		return SegmentsFull, nil
	}
	t.mu.memberships[key] = w.Expiry
	if held {
		return Renewed, nil
	}
	t.mu.counts[key.segment]++
	return Created, nil
}

func (t *town) end(key membershipKey) {
	delete(t.mu.memberships, key)
	if t.mu.counts[key.segment]--; t.mu.counts[key.segment] == 0 {
		delete(t.mu.counts, key.segment)
	}
}

func (t *town) read(r Read) error {
	r.MinVersion = slices.Clone(r.MinVersion)
	t.mu.reads = append(t.mu.reads, r)
	return t.readErr
}

func (t *town) Counts(r Read) (Counts, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.listed(r, t.mu.counts)
}

func (t *town) CountsAt(r Read, at int64) (Counts, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.listed(r, t.countsAt(at))
}

// countsAt counts who will still be there at an instant, in the segments that have
// anybody. It is called with mu held, as listed is.
func (t *town) countsAt(at int64) map[string]uint64 {
	counts := map[string]uint64{}
	for key, expiry := range t.mu.memberships {
		if expiry > max(at, t.now.Unix()) {
			counts[key.segment]++
		}
	}
	return counts
}

func (t *town) Forecast(r Read, title []byte, until, step int64) ([]Point, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var points []Point
	for at := t.now.Unix(); at == t.now.Unix() || at <= until; at += step {
		points = append(points, Point{at, t.countsAt(at)[string(title)]})
	}
	return points, t.read(r)
}

func (t *town) History(r Read, title []byte, from, to int64) ([]Point, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var points []Point
	for _, tick := range t.mu.ticks {
		if from <= tick.at && tick.at <= to {
			points = append(points, Point{tick.at, tick.counts[string(title)]})
		}
	}
	return points, t.read(r)
}

func (t *town) Overlap(ctx context.Context, r Read, titles [][]byte) (Overlap, error) {
	if t.overlapping != nil {
		return Overlap{}, t.overlapping(ctx)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	o := Overlap{Segments: make([]uint64, len(titles))}
	in := map[string]int{} // by user: in how many of them
	for key := range t.mu.memberships {
		for i, title := range titles {
			if string(title) == key.segment {
				o.Segments[i]++
				in[key.id]++
			}
		}
	}
	for _, n := range in {
		o.Union++
		if n == len(titles) {
			o.Intersection++
		}
	}
	return o, t.read(r)
}

func (t *town) listed(r Read, counts map[string]uint64) (Counts, error) {
	segments := []SegmentCount{}
	for title, count := range counts {
		segments = append(segments, SegmentCount{Title: title, UsersCount: count})
	}
	slices.SortFunc(segments, func(a, b SegmentCount) int {
		return cmp.Or(cmp.Compare(b.UsersCount, a.UsersCount), cmp.Compare(a.Title, b.Title))
	})
	body, err := json.Marshal(segments)
	return Counts{Body: body, Segments: segments}, cmp.Or(t.read(r), err)
}

func (t *town) Count(r Read, title []byte) (uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.counts[string(title)], t.read(r)
}

func (t *town) User(r Read, id []byte) ([]Membership, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var memberships []Membership
	for key, expiry := range t.mu.memberships {
		if key.id == string(id) {
			memberships = append(memberships, Membership{Title: key.segment, Expiry: expiry})
		}
	}
	return memberships, t.read(r)
}

func (t *town) Cluster() any { return map[string]any{"answeredBy": "n1"} }

func (t *town) Join(id, address string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.nodesErr == nil {
		t.mu.nodes[id] = address
	}
	return t.nodesErr
}

func (t *town) Leave(id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, member := t.mu.nodes[id]; t.nodesErr == nil && !member {
		return &Failure{Kind: NotFoundFailure, Detail: fmt.Sprintf("node %q is not in the cluster", id)}
	}
	delete(t.mu.nodes, id)
	return t.nodesErr
}

func (t *town) Ready() Readiness {
	if t.readErr != nil {
		return Readiness{Reasons: []string{t.readErr.Error()}, Warnings: []string{"the \"clock\" is off"}}
	}
	return Readiness{Ready: true}
}

func (t *town) WriteMetrics(w io.Writer) { io.WriteString(w, "headcount_town_people 3\n") }

// snapshot is a copy of all memberships.
func (t *town) snapshot() map[membershipKey]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.mu.memberships)
}

func (t *town) chunkSizes() []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.mu.chunks)
}

func (t *town) lastRead() Read {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.reads[len(t.mu.reads)-1]
}

// chunkedReader gives a body in pieces of the given size.
type chunkedReader struct {
	body  *bytes.Reader
	piece int
}

func (r *chunkedReader) Read(p []byte) (int, error) { return r.body.Read(p[:min(len(p), r.piece)]) }
