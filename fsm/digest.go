package fsm

import (
	"hash/crc64"
	"slices"

	"headcount/fsm/internal/table"
)

// The digest is a sum, modulo 2⁶⁴, of one mixed word per fact, so that it can be
// kept up to date by adding and subtracting instead of being computed anew. It
// proves nothing against an adversary; it finds replicas that have diverged.

var digestTable = crc64.MakeTable(crc64.ECMA)

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood: "Fast splittable
// pseudorandom number generators", OOPSLA 2014): a bijection in which every input
// bit reaches every output bit.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

func mixAll(words ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, w := range words {
		h = mix(h ^ w)
	}
	return h
}

func bytesDigest(b []byte) uint64     { return mix(crc64.Checksum(b, digestTable)) }
func titleDigest(title string) uint64 { return bytesDigest([]byte(title)) }

func membershipDigest(seed uint64, k table.Key, bucket uint32) uint64 {
	return mix(mix(seed^uint64(k.Hi)^uint64(bucket)<<32) ^ k.Lo)
}

func (o *origin) digest(name string) uint64 {
	var some [256]byte
	sum := uint64(0)
	for rest := o.statuses; len(rest) > 0; {
		n := min(len(rest), len(some))
		for i, s := range rest[:n] {
			some[i] = byte(s)
		}
		sum = crc64.Update(sum, digestTable, some[:n])
		rest = rest[n:]
	}
	return mixAll(titleDigest(name), o.epoch, o.sequence, o.index, mix(sum))
}

func (p *HistoryPoint) digest() uint64 {
	h := mixAll(uint64(p.At), uint64(len(p.Titles)))
	for i, title := range p.Titles {
		h = mixAll(h, titleDigest(title), uint64(p.Counts[i]))
	}
	return h
}

// digest covers everything that is replicated, and nothing that is not.
func (st *state) digest() uint64 {
	s := st.settings
	return mixAll(
		st.memberSum, uint64(st.members), uint64(len(st.segments)),
		uint64(st.time), uint64(st.watermark), uint64(st.lastTick),
		s.Revision, s.SegmentsMax, s.OutboxBytesMax, s.HistoryPoints, s.OutboxWindowBytesMax, s.OutboxWindowSeconds,
		st.outbox.sum, st.outbox.open.digest(), uint64(st.outbox.rows()), uint64(st.outbox.bytes()), st.outbox.acked, st.outbox.dropped,
		st.originSum, st.historySum,
	)
}

// sortedTitles lists the segments in a fixed order.
func (st *state) sortedTitles() []string {
	titles := make([]string, 0, len(st.segments))
	for title := range st.segments {
		titles = append(titles, title)
	}
	slices.Sort(titles)
	return titles
}
