package main

import (
	"cmp"
	"slices"
	"time"
)

// outcome is what became of a request, as far as its sender knows.
type outcome uint8

const (
	notApplied   outcome = iota // the reply says so, or it was never sent
	unknown                     // it may have been applied, in part too
	acknowledged                // all of it
)

// ledger is what became of the requests of one worker. What was in them is not kept: it
// is drawn again, from the same seed.
type ledger struct {
	draw     draw // as it was before the first request
	at       time.Time
	records  int // of a request
	outcomes []outcome
}

// owed is what a cluster must hold and what it may hold of one membership, as expiries in
// Unix seconds.
type owed struct {
	user, segment uint32
	acknowledged  uint32 // the latest that was acknowledged; 0: none
	possible      uint32 // the latest that may have been applied; at least acknowledged
}

// compareOwed orders memberships by user and segment.
func compareOwed(a, b owed) int {
	return cmp.Or(cmp.Compare(a.user, b.user), cmp.Compare(a.segment, b.segment))
}

// settle adds up ledgers, by user and segment.
func settle(ledgers []ledger) []owed {
	records := 0
	for _, l := range ledgers {
		records += len(l.outcomes) * l.records
	}
	all := make([]owed, 0, records)
	for _, l := range ledgers {
		d := l.draw.clone()
		for _, outcome := range l.outcomes {
			for range l.records {
				o := owed{user: uint32(d.user()), segment: uint32(d.segment()), possible: uint32(d.expiry(l.at))}
				switch outcome {
				case notApplied:
					continue
				case acknowledged:
					o.acknowledged = o.possible
				}
				all = append(all, o)
			}
		}
	}
	slices.SortFunc(all, compareOwed)
	// The later expiry wins, whichever came first.
	whole := all[:0]
	for _, o := range all {
		if last := len(whole) - 1; last >= 0 && compareOwed(whole[last], o) == 0 {
			whole[last].acknowledged = max(whole[last].acknowledged, o.acknowledged)
			whole[last].possible = max(whole[last].possible, o.possible)
		} else {
			whole = append(whole, o)
		}
	}
	return whole
}

// allows reports whether what is held of the membership is what may be: an expiry, to the
// end of its bucket, 0 for none.
func (o owed) allows(expiry int64, bucketSeconds int64) bool {
	if expiry == 0 {
		return o.acknowledged == 0
	}
	bucket := bucketOf(expiry, bucketSeconds)
	return bucket >= bucketOf(int64(o.acknowledged), bucketSeconds) && bucket <= bucketOf(int64(o.possible), bucketSeconds)
}

// bucketOf is the end of the bucket of an expiry: within one, the cluster does not tell
// expiries apart.
func bucketOf(expiry, bucketSeconds int64) int64 {
	return (expiry + bucketSeconds - 1) / bucketSeconds * bucketSeconds
}

// bounds of a segment's count.
type bounds struct{ least, most uint64 }

// countBounds are those of all segments, by number.
func countBounds(all []owed, segments int) []bounds {
	list := make([]bounds, segments)
	for _, o := range all {
		list[o.segment].most++
		if o.acknowledged > 0 {
			list[o.segment].least++
		}
	}
	return list
}
