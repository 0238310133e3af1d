package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"headcount/client"
)

const (
	latencyMax     = durationMax + time.Minute // longer than any can be
	latencyFigures = 2                         // significant; keeps a histogram at some 25 KiB, and there are many
	kindsMax       = 32                        // of trouble in one tally; the rest is "other"
	statusMax      = 599
	exampleMax     = 200 // bytes
)

// tally is what came of the requests of one worker to one target. The worker alone
// writes it; anyone may load acknowledged.
type tally struct {
	bulk         bool                    // replies tell how many records were rejected
	latency      *hdrhistogram.Histogram // of the requests done, in microseconds
	sent         uint64                  // requests, whatever came of them
	done         uint64                  // requests answered with 200 or 201
	acknowledged atomic.Uint64           // writes in them
	statuses     [statusMax + 1]uint64   // replies by status
	trouble      map[string]*trouble     // by kind
}

// trouble is one way in which writes were not acknowledged.
type trouble struct {
	Count   uint64 `json:"count"`   // of requests, or of records if they were rejected
	Failure bool   `json:"failure"` // not one the API promises
	Example string `json:"example"` // the first one's detail
}

func newTally(bulk bool) *tally {
	return &tally{
		bulk:    bulk,
		latency: hdrhistogram.New(1, latencyMax.Microseconds(), latencyFigures),
		trouble: map[string]*trouble{},
	}
}

// replied counts a reply to a request of so many records.
func (t *tally) replied(r *reply, took time.Duration, records int) {
	t.statuses[min(r.status, statusMax)]++
	if r.status != 200 && r.status != 201 {
		t.refused(r)
		return
	}
	t.answered(took, records-min(records, t.rejected(r, records)))
}

// answered counts a request that was done, and so many writes in it that are acknowledged.
func (t *tally) answered(took time.Duration, acknowledged int) {
	t.done++
	// In range by the clamp, and that is all that can go wrong.
	_ = t.latency.RecordValue(min(max(took, 0), latencyMax).Microseconds())
	t.acknowledged.Add(uint64(acknowledged))
}

// refused counts a reply that acknowledges nothing.
func (t *tally) refused(r *reply) {
	var document struct {
		Detail string `json:"detail"`
	}
	if !r.problem || json.Unmarshal(r.body, &document) != nil {
		t.add(fmt.Sprintf("%d without a problem document", r.status), 1, true, string(r.body))
		return
	}
	switch r.status {
	case 503:
		t.add("503 not applied", 1, false, document.Detail)
	case 504:
		t.add("504 outcome unknown", 1, false, document.Detail)
	default:
		t.add(strconv.Itoa(r.status), 1, true, document.Detail)
	}
}

// rejected returns how many records of a bulk request were rejected, and counts them.
func (t *tally) rejected(r *reply, records int) int {
	if !t.bulk || len(r.body) == 0 {
		return 0 // the handler that does nothing says nothing
	}
	var result client.BulkResult
	if err := json.Unmarshal(r.body, &result); err != nil {
		t.add("a reply that is no JSON object", 1, true, string(r.body))
		return records
	}
	if result.Rejected == 0 {
		return 0
	}
	example := ""
	if len(result.Rejections) > 0 {
		example = result.Rejections[0].Reason
	}
	t.add("record rejected", uint64(result.Rejected), true, example)
	return int(result.Rejected)
}

// failed counts a request without a reply.
func (t *tally) failed(err error) { t.add(kindOf(err), 1, true, err.Error()) }

func (t *tally) add(kind string, count uint64, failure bool, example string) {
	if t.trouble[kind] == nil {
		if len(t.trouble) >= kindsMax {
			kind = "other"
		}
		if t.trouble[kind] == nil {
			t.trouble[kind] = &trouble{Example: example[:min(len(example), exampleMax)]}
		}
	}
	t.trouble[kind].Count += count
	t.trouble[kind].Failure = t.trouble[kind].Failure || failure
}

// merge adds what another tally counted.
func (t *tally) merge(other *tally) {
	t.latency.Merge(other.latency)
	t.sent += other.sent
	t.done += other.done
	t.acknowledged.Add(other.acknowledged.Load())
	for status, n := range other.statuses {
		t.statuses[status] += n
	}
	for kind, trouble := range other.trouble {
		t.add(kind, trouble.Count, trouble.Failure, trouble.Example)
	}
}
