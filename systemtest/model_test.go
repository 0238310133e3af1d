package systemtest

import (
	"maps"
	"slices"
	"time"
)

// membership names what is counted: one user in one segment.
type membership struct{ id, segment string }

// record is one write of a membership; expiry in Unix seconds.
type record struct {
	membership
	expiry int64
}

// model is the plain map beside the real thing: every acknowledged membership,
// past ones too, with its latest expiry in Unix seconds.
type model map[membership]int64

// write applies the rule of renewal: the later expiry wins.
func (m model) write(r record) {
	if old, held := m[r.membership]; !held || r.expiry > old {
		m[r.membership] = r.expiry
	}
}

// status is what a node must answer when r is written now, given that no earlier
// write of this membership has an unknown outcome. bucketSeconds is the width of
// a bucket: within one, a renewal changes nothing in memory.
func (m model) status(r record, now time.Time, bucketSeconds int64) string {
	old, held := m[r.membership]
	held = held && old > now.Unix()
	switch {
	case held && bucketOf(r.expiry, bucketSeconds) > bucketOf(old, bucketSeconds):
		return "renewed"
	case held:
		return "unchanged"
	case r.expiry <= now.Unix():
		return "expired"
	default:
		return "created"
	}
}

// bucketOf returns the end of the bucket of an expiry, both in Unix seconds.
func bucketOf(expiry, bucketSeconds int64) int64 {
	return (expiry + bucketSeconds - 1) / bucketSeconds * bucketSeconds
}

// counts returns the live memberships of each segment, largest first, ties by
// title: the reply of GET /segments/count without its empty segments.
func (m model) counts(now time.Time) []segmentCount {
	live := map[string]int64{}
	for key, expiry := range m {
		if expiry > now.Unix() {
			live[key.segment]++
		}
	}
	var counts []segmentCount
	for _, title := range slices.Sorted(maps.Keys(live)) {
		counts = append(counts, segmentCount{Title: title, UsersCount: live[title]})
	}
	slices.SortStableFunc(counts, func(a, b segmentCount) int { return int(b.UsersCount - a.UsersCount) })
	return counts
}
