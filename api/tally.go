package api

import (
	"slices"
	"strconv"
)

// rejectionsMax bounds the rejections that a bulk reply names; it counts them all.
const rejectionsMax = 100

const reasonSegmentsFull = "the segment would be one more than cluster.segments_max: use an existing segment, or raise the limit"

// rejection is a record that was refused; the same record would be refused again.
type rejection struct {
	record uint64 // numbered from 1
	reason string
}

// tally counts what became of the records of a bulk body.
type tally struct {
	number     uint64 // of the last record read
	counts     [Unknown + 1]uint64
	rejected   uint64
	rejections []rejection // the first of them, in order of their records
	version    Version

	// At most one of these stops the reading.
	failure *Failure // the service could not; nil also where outcomes alone say so
	odd     error    // the service broke its contract
	fault   fault    // the body is broken from here on
	broken  error    // the body could not be read
}

func (t *tally) reset() {
	*t = tally{rejections: t.rejections[:0], version: t.version[:0]}
}

func (t *tally) reject(record uint64, reason string) {
	t.rejected++
	if len(t.rejections) < rejectionsMax {
		t.rejections = append(t.rejections, rejection{record, reason})
	}
}

func (t *tally) rejectFault(record uint64, f fault) {
	t.rejected++
	if len(t.rejections) < rejectionsMax {
		t.rejections = append(t.rejections, rejection{record, f.text()})
	}
}

func (t *tally) breakOff(f fault)    { t.fault = f }
func (t *tally) readError(err error) { t.broken = err }
func (t *tally) incomplete() uint64  { return t.notApplied() + t.unknown() }
func (t *tally) notApplied() uint64  { return t.counts[NotApplied] + t.counts[OutboxFull] }
func (t *tally) unknown() uint64     { return t.counts[Unknown] }
func (t *tally) applied() (sum uint64) {
	for outcome := Created; outcome <= Erased; outcome++ {
		sum += t.counts[outcome]
	}
	return sum
}

// stopped reports whether there is no point in reading on.
func (t *tally) stopped() bool {
	return t.incomplete() > 0 || t.odd != nil || t.fault.found() || t.broken != nil
}

// count adds the outcomes of a chunk. records are the numbers of its writes.
func (t *tally) count(outcomes []Outcome, records []uint64) {
	full := 0
	for i, outcome := range outcomes {
		switch {
		case outcome == SegmentsFull:
			t.rejected++
			if full++; full <= rejectionsMax {
				t.rejections = append(t.rejections, rejection{records[i], reasonSegmentsFull})
			}
		case outcome < Created || outcome > Unknown:
			// An outcome that was not set is not known.
			t.counts[Unknown]++
		default:
			t.counts[outcome]++
		}
	}
	if full > 0 {
		t.orderRejections()
	}
}

// orderRejections sorts in the rejections by the service, which come after those by
// the decoder of the same chunk.
func (t *tally) orderRejections() {
	slices.SortStableFunc(t.rejections, func(a, b rejection) int { return int(int64(a.record) - int64(b.record)) })
	t.rejections = t.rejections[:min(len(t.rejections), rejectionsMax)]
}

// finish takes the version of a chunk and what went wrong with it.
func (t *tally) finish(version Version, err error) {
	for _, part := range version {
		t.version = t.version.merge(part)
	}
	if err == nil {
		return
	}
	if f, ok := asFailure(err); ok && t.incomplete() > 0 {
		t.failure = f
	} else {
		t.odd = err
	}
}

// appendCounts appends the members of a reply's object, without its braces.
func (t *tally) appendCounts(dst []byte) []byte {
	for _, member := range [...]struct {
		name  string
		value uint64
	}{
		{`"created":`, t.counts[Created]},
		{`,"renewed":`, t.counts[Renewed]},
		{`,"unchanged":`, t.counts[Unchanged]},
		{`,"expired":`, t.counts[Expired]},
		{`,"rejected":`, t.rejected},
	} {
		dst = append(dst, member.name...)
		dst = strconv.AppendUint(dst, member.value, 10)
	}
	dst = append(dst, `,"rejections":[`...)
	for i, r := range t.rejections {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"record":`...)
		dst = strconv.AppendUint(dst, r.record, 10)
		dst = append(dst, `,"reason":`...)
		dst = append(appendText(dst, r.reason), '}')
	}
	return append(dst, ']')
}

// appendShortfall appends the members that only a problem document has.
func (t *tally) appendShortfall(dst []byte) []byte {
	dst = append(dst, `,"notApplied":`...)
	dst = strconv.AppendUint(dst, t.notApplied(), 10)
	dst = append(dst, `,"unknown":`...)
	return strconv.AppendUint(dst, t.unknown(), 10)
}
