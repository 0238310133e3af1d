package fsm

import (
	"headcount/fsm/internal/prefetch"
	"headcount/fsm/internal/tally"
)

// bucketSums keeps, for each bucket, the sum of the digests of the memberships that
// end in it, whatever their segment: what a tick subtracts from the digest. It takes
// eight bytes for each bucket of a span in which anything ends.
type bucketSums struct {
	first uint32 // the span that spans[0] is
	spans []*sumSpan
}

type sumSpan [tally.SpanBuckets]uint64

func (b *bucketSums) add(bucket uint32, sum uint64) {
	span := bucket / tally.SpanBuckets
	switch {
	case len(b.spans) == 0:
		b.first = span
	case span < b.first:
		// As many again, if there may be: so that a run of ever earlier buckets costs no
		// copy of everything for each.
		more := max(b.first-span, min(b.first, uint32(len(b.spans))))
		b.spans = append(make([]*sumSpan, more, int(more)+len(b.spans)), b.spans...)
		b.first -= more
	}
	if missing := int(span-b.first) + 1 - len(b.spans); missing > 0 {
		b.spans = append(b.spans, make([]*sumSpan, missing)...)
	}
	s := b.spans[span-b.first]
	if s == nil {
		s = new(sumSpan)
		b.spans[span-b.first] = s
	}
	s[bucket%tally.SpanBuckets] += sum
}

// drop forgets the buckets up to and including bucket, and returns their sum.
func (b *bucketSums) drop(bucket uint32) (sum uint64) {
	last := bucket / tally.SpanBuckets
	for len(b.spans) > 0 && b.first <= last {
		end := uint32(tally.SpanBuckets)
		if b.first == last {
			end = bucket%tally.SpanBuckets + 1
		}
		if s := b.spans[0]; s != nil {
			for i := range s[:end] {
				sum += s[i]
				s[i] = 0
			}
		}
		if end < tally.SpanBuckets {
			return sum
		}
		b.spans[0] = nil
		b.spans = b.spans[1:]
		b.first++
	}
	if len(b.spans) == 0 {
		b.spans = nil
	}
	return sum
}

// prefetch begins to read what add will need.
func (b *bucketSums) prefetch(bucket uint32) {
	if i := bucket/tally.SpanBuckets - b.first; i < uint32(len(b.spans)) && b.spans[i] != nil {
		prefetch.Of(&b.spans[i][bucket%tally.SpanBuckets])
	}
}
