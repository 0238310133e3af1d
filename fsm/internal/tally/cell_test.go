package tally

import "testing"

// One bucket grows through every width that a test has time for, beside neighbours at
// both ends of the span, and shrinks to a list again.
func TestBlocksGrowAndShrink(t *testing.T) {
	const many, bucket = 1<<16 + 10, 64*1000 + 31
	m := NewMemory()
	var a Tally
	a.Add(m, bucket-31)
	a.Add(m, bucket+32)
	check := func(n int64) {
		t.Helper()
		for _, x := range []struct {
			low, high uint32
			want      int64
		}{
			{bucket - 1, bucket, n},
			{bucket - 32, bucket - 1, 1},
			{bucket, bucket + 32, 1},
			{bucket, bucket + 31, 0},
			{bucket - 32, bucket + 32, n + 2},
			{0, 1<<32 - 1, n + 2},
		} {
			if got := a.Sum(m, x.low, x.high); got != x.want {
				t.Fatalf("with %d in one bucket, (%d, %d] has %d, want %d", n, x.low, x.high, got, x.want)
			}
		}
	}
	for n := range int64(many) {
		if n < 300 || n > 1<<16-5 {
			check(n)
		}
		a.Add(m, bucket)
	}
	check(many)
	for n := int64(many); n > 0; n-- {
		a.Remove(m, bucket)
		if n < 300 {
			check(n - 1)
		}
	}
	if got := m.Used() - m.groups.Used(); got != 0 {
		t.Errorf("%d bytes of blocks are used for two memberships", got)
	}
}

// Nothing is dropped but what lies at or below the bucket, wherever in a span that is.
func TestDropInTheMiddleOfSpan(t *testing.T) {
	for _, each := range []int64{1, 20} { // in lists and in blocks
		for end := uint32(64 * 8); end <= 64*9; end++ {
			m := NewMemory()
			var a Tally
			buckets := []uint32{1, 64*8 - 1, 64 * 8, 64*8 + 1, 64*8 + 30, 64*9 - 1, 64 * 9, 64 * 100}
			want := int64(0)
			for _, b := range buckets {
				for range each {
					a.Add(m, b)
				}
				if b <= end {
					want += each
				}
			}
			if got := a.Drop(m, end); got != want {
				t.Fatalf("%d dropped up to %d, want %d", got, end, want)
			}
			if got := a.Sum(m, 0, 1<<32-1); got != each*int64(len(buckets))-want {
				t.Fatalf("%d left above %d, want %d", got, end, each*int64(len(buckets))-want)
			}
		}
	}
}

// A probe leads to where a bucket is counted, in every form of cell, and only as long as that
// is there.
func TestProbeLeadsToWhereBucketIsCounted(t *testing.T) {
	m := NewMemory()
	var a Tally
	probe := func(bucket uint32) (b Probe) {
		b.Number(m)
		b.Cell(&a, m, bucket)
		b.Number(m)
		return b
	}
	if b := probe(63); b.cell != nil || b.leads(63) || b.leads(0) {
		t.Error("a probe of an empty tally finds something")
	}
	for i, n := range []int{1, 9, 10, 40, 1_000, 70_000} {
		bucket := uint32(512*i*i + 63 - 7*i)
		for range n {
			a.Add(m, bucket)
		}
		b := probe(bucket)
		if b.cell == nil || b.cell.total() != uint32(n) || b.leads(bucket) != (n > listMax) {
			t.Fatalf("a probe of a bucket with %d finds cell %v", n, b.cell)
		}
		if b.leads(bucket + 1) {
			t.Error("a probe of a bucket leads to another's number")
		}
		if !b.leads(bucket) {
			continue
		}
		was := *b.word
		a.Remove(m, bucket)
		if *b.word == was {
			t.Errorf("a probe of a bucket with %d finds another's number", n)
		}
		for b.cell.width() < widths-1 && b.leads(bucket) {
			a.Add(m, bucket)
		}
		for b = probe(bucket); b.cell.total() >= fewest; {
			b.Remove(&a, m, bucket)
		}
		if b.cell.total() != fewest-1 || b.leads(bucket) {
			t.Errorf("a probe of a bucket that had %d leads to what was its number", n)
		}
	}
	for _, bucket := range []uint32{512 * 3, 512 * 1000, 1<<32 - 1} {
		if b := probe(bucket); b.cell != nil && *b.cell != 0 || b.leads(bucket) {
			t.Errorf("a probe of bucket %d, in which nothing ends, finds something", bucket)
		}
	}
	a.Clear(m)
	if b := probe(63); b.cell != nil {
		t.Error("a probe of an emptied tally finds something")
	}
}

func TestBlockNumberOutOfBoundsIsRefused(t *testing.T) {
	if c := newBlock(4, numberMask, 7); c.number() != numberMask || c.width() != 4 || c.total() != 7 {
		t.Errorf("cell %x", c)
	}
	defer func() {
		if recover() == nil {
			t.Error("a number is taken that a cell does not hold")
		}
	}()
	newBlock(4, numberMask+1, 7)
}

func TestRemovingWhatIsNotCountedIsRefused(t *testing.T) {
	m := NewMemory()
	var a Tally
	for i := range uint32(20) {
		a.Add(m, i)
	}
	var b Probe
	b.Cell(&a, m, 30)
	b.Number(m)
	if !b.leads(30) {
		t.Fatal("nothing is found")
	}
	defer func() {
		if recover() == nil {
			t.Error("a number went below zero")
		}
	}()
	b.Remove(&a, m, 30)
}
