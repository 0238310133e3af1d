package fsm_test

import (
	"math"
	"math/rand/v2"

	"headcount/fsm"
)

// draws chooses what a trial does next: at random, or as the bytes of a fuzzer say.
type draws interface{ below(n int) int }

type randomDraws struct{ *rand.Rand }

func (d randomDraws) below(n int) int { return d.IntN(n) }

func pick[T any](d draws, from []T) T { return from[d.below(len(from))] }

// byteDraws chooses what the bytes of a fuzzer say, and the first of everything
// once they are used up.
type byteDraws struct{ data []byte }

func (d *byteDraws) below(n int) int {
	if len(d.data) == 0 {
		return 0
	}
	b := d.data[0]
	d.data = d.data[1:]
	return int(b) % n
}

// near is an instant some buckets around the clock, often at a bucket's edge.
func (tr *trial) near() int64 {
	width := tr.config.BucketSeconds
	at := tr.clock + int64(tr.draw.below(12)-4)*width
	switch tr.draw.below(4) {
	case 0:
		at = roundDown(at, width)
	case 1:
		at = roundDown(at, width) + 1
	case 2:
		at += int64(tr.draw.below(3)) - 1
	}
	return max(at, 0)
}

// leaderClock is the clock that an entry carries.
func (tr *trial) leaderClock() int64 {
	switch tr.draw.below(8) {
	case 0:
		return 0
	case 1:
		return tr.near()
	default:
		return tr.clock
	}
}

func (tr *trial) drawBatch() batch {
	origin := pick(tr.draw, trialNodes)
	b := batch{origin: origin, epoch: tr.sent[origin].epoch, sequence: tr.sent[origin].sequence}
	switch tr.draw.below(12) {
	case 0: // a retry
		if last, ok := tr.sent[origin]; ok {
			return last
		}
	case 1: // one that was given up arrives after all
		b.sequence -= min(b.sequence, uint64(1+tr.draw.below(2)))
		b.records = tr.drawRecords()
		return b
	case 2: // one from before the origin started anew
		b.epoch -= min(b.epoch, 1)
		b.sequence += uint64(tr.draw.below(3))
		b.records = tr.drawRecords()
		return b
	case 3: // the origin starts anew
		b.epoch += uint64(1 + tr.draw.below(2))
		b.sequence = uint64(tr.draw.below(2))
	default:
		b.sequence += uint64(1 + tr.draw.below(2))
	}
	b.records = tr.drawRecords()
	tr.sent[origin] = b
	return b
}

func (tr *trial) drawRecords() (records []fsm.Record) {
	for range tr.draw.below(6) {
		id, segment := pick(tr.draw, trialIDs), pick(tr.draw, trialTitles)
		switch tr.draw.below(12) {
		case 0:
			records = append(records, erase(id))
		case 1, 2:
			records = append(records, remove(id, segment))
		default:
			records = append(records, put(id, segment, tr.drawExpiry(membership{id, segment})))
		}
	}
	return records
}

func (tr *trial) drawExpiry(who membership) int64 {
	width := tr.config.BucketSeconds
	switch tr.draw.below(16) {
	case 0:
		return pick(tr.draw, []int64{
			0, 1, tr.model.drained + reach*width, tr.model.drained + reach*width + 1, math.MaxUint32*width + 1, 1 << 62,
		})
	case 1, 2, 3: // in the bucket it ends in already
		if end, held := tr.model.ends[who]; held {
			return end - int64(tr.draw.below(int(width)))
		}
	}
	return tr.near()
}
