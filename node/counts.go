package node

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"headcount/fsm"
)

// countsMaxAge bounds how long a view is served while counts change: a view is
// never older than this and the time it takes to build one.
const countsMaxAge = 20 * time.Millisecond

// SegmentCount is one segment's count.
type SegmentCount struct {
	Title      string `json:"title"`
	UsersCount int64  `json:"usersCount"`
}

// CountsView is the counts of all segments, as they were together at one moment
// of each shard. It is immutable.
type CountsView struct {
	Segments []SegmentCount // largest first, ties by title
	Body     []byte         // the same as a JSON array

	indexes []uint64 // by shard: the entries that the counts include
	changes uint64   // Σ of the machines' changes
	at      int64    // Unix seconds: the now that it was built for
	until   int64    // Unix seconds: the next bucket ends
	built   time.Time
}

// counts builds views, and keeps the last one while it is true.
type counts struct {
	machines      []*fsm.Machine
	bucketSeconds int64
	clock         *clock

	view     atomic.Pointer[CountsView]
	building sync.Mutex
}

// get returns a view that includes at least the entries in floor, which the
// machines have applied already.
func (c *counts) get(floor []uint64) (*CountsView, error) {
	if v := c.view.Load(); c.serves(v, floor) {
		return v, nil
	}
	c.building.Lock()
	defer c.building.Unlock()
	if v := c.view.Load(); c.serves(v, floor) {
		return v, nil
	}
	v, err := c.build()
	if err != nil {
		return nil, err
	}
	c.view.Store(v)
	return v, nil
}

// serves reports whether a view may be served now.
func (c *counts) serves(v *CountsView, floor []uint64) bool {
	if v == nil {
		return false
	}
	if now := c.clock.now(); now < v.at || now >= v.until { // < when the clock was set back
		return false
	}
	for shard, index := range floor {
		if v.indexes[shard] < index {
			return false
		}
	}
	return c.changes() == v.changes || time.Since(v.built) < countsMaxAge
}

func (c *counts) changes() (n uint64) {
	for _, m := range c.machines {
		n += m.Changes()
	}
	return n
}

func (c *counts) build() (*CountsView, error) {
	now := c.clock.now()
	v := &CountsView{
		changes: c.changes(), // before the counts: a change in between is seen next time
		at:      now,
		until:   (now/c.bucketSeconds + 1) * c.bucketSeconds,
		built:   time.Now(),
	}
	err := v.fill(c.machines, func(m *fsm.Machine, visit func(string, int64)) uint64 { return m.Counts(now, visit) })
	return v, err
}

// ahead builds the view that the instant at will have if nobody renews. It is not
// kept: another reader means another instant.
func (c *counts) ahead(at int64) (*CountsView, error) {
	now := c.clock.now()
	v := new(CountsView)
	err := v.fill(c.machines, func(m *fsm.Machine, visit func(string, int64)) uint64 { return m.CountsAt(now, at, visit) })
	return v, err
}

// fill adds up what read finds in each machine.
func (v *CountsView) fill(machines []*fsm.Machine, read func(m *fsm.Machine, visit func(title string, count int64)) uint64) error {
	v.indexes = make([]uint64, len(machines))
	sums := make(map[string]int64)
	for shard, m := range machines {
		v.indexes[shard] = read(m, func(title string, count int64) { sums[title] += count })
	}
	v.Segments = make([]SegmentCount, 0, len(sums))
	for title, n := range sums {
		v.Segments = append(v.Segments, SegmentCount{title, n})
	}
	slices.SortFunc(v.Segments, func(a, b SegmentCount) int {
		return cmp.Or(cmp.Compare(b.UsersCount, a.UsersCount), strings.Compare(a.Title, b.Title))
	})
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	if err := e.Encode(v.Segments); err != nil {
		return fmt.Errorf("encoding the counts: %w", err)
	}
	v.Body = bytes.TrimSuffix(body.Bytes(), []byte("\n"))
	return nil
}
