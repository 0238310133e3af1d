package table

import "math/bits"

// line is the memberships in one cache line of 64 bytes. Each has a word with the low
// bits of its key, and a tail. A dense line has six:
//
//	6 × 64 bits   low bits of the keys
//	6 × 21 bits   tails, three in a word: the bucket, counted from the piece's base, 0 in
//	              a free slot; above it what the piece does not know of the key
//
// and a wide one five, with buckets that are further ahead:
//
//	5 × 64 bits   low bits of the keys
//	5 × 38 bits   tails, 32 bits and 6 bits of each: 29 of the bucket, 9 of the key
//
// Which of them, and what a tail's bits mean, is the piece's [form].
type line [8]uint64

const (
	denseSlots = 6
	wideSlots  = 5

	denseTailBits   = 21
	wideBucketBits  = 29
	wideTailLowBits = 32
	wideTailHigh    = 6 // bits
	wideTailLow     = 1<<wideTailLowBits - 1
)

// form is how the lines of a piece are to be read: how many of the first bits of a key
// are in its tail, those that keys of the piece do not share; or that they are wide.
type form uint8

const wideForm form = 1 << 7

// formOf returns the form of dense lines in a piece of this depth.
func formOf(depth uint8) form { return form(max(headBits, depth) - depth) }

func (f form) wide() bool { return f == wideForm }

func (f form) slots() int {
	if f.wide() {
		return wideSlots
	}
	return denseSlots
}

// reach returns the highest bucket, counted from the piece's base.
func (f form) reach() uint32 {
	if f.wide() {
		return 1<<wideBucketBits - 1
	}
	return 1<<(denseTailBits-f) - 1
}

// match returns which slots have a key's low bits: a bit for each.
//
// It compares all of them without a branch, since nothing foretells which one it is: a
// branch taken wrongly costs more than the comparisons.
func (l *line) match(f form, low uint64) (slots uint) {
	for i := range denseSlots {
		different := l[i] ^ low
		slots |= uint((different|-different)>>63^1) << i
	}
	return slots & (1<<f.slots() - 1)
}

// vacant returns which slots are free or have a bucket that is at most drained: a bit
// for each. Without a branch, as match.
func (l *line) vacant(f form, drained uint32) (slots uint) {
	if drained == 0 {
		return l.free(f)
	}
	reach := f.reach()
	for i := range f.slots() {
		slots |= uint((uint32(l.tail(f, i))&reach-drained-1)>>31) << i
	}
	return slots
}

// free returns which slots are free: a bit for each.
func (l *line) free(f form) (slots uint) {
	if f.wide() {
		for i := range wideSlots {
			slots |= uint((l.bucket(f, i)-1)>>31) << i
		}
		return slots
	}
	return zeroTails(l[denseSlots]&denseBuckets[f]) | zeroTails(l[denseSlots+1]&denseBuckets[f])<<(denseSlots/2)
}

// denseBuckets has, by form, the bits of the buckets in a word of three dense tails.
var denseBuckets = func() (masks [headBits + 1]uint64) {
	for f := range masks {
		masks[f] = denseEach * uint64(form(f).reach())
	}
	return masks
}()

// denseEach is 1 in each of the three tails of a word.
const denseEach = 1 | 1<<denseTailBits | 1<<(2*denseTailBits)

// zeroTails returns which of three tails are zero: a bit for each.
func zeroTails(word uint64) uint {
	const (
		highest = denseEach << (denseTailBits - 1)
		others  = highest - denseEach // all bits of each tail but the highest
	)
	// A tail's sum carries into its highest bit, and no further, if another bit is set.
	zero := ^((word&others + others) | word) & highest
	return uint(zero>>(denseTailBits-1)&1 | zero>>(2*denseTailBits-2)&2 | zero>>(3*denseTailBits-3)&4)
}

// tail returns a slot's tail.
func (l *line) tail(f form, i int) uint64 {
	if f.wide() {
		low := uint64(uint32(l[wideSlots+i/2] >> (i % 2 * wideTailLowBits)))
		high := l[7] >> (wideTailLowBits + i*wideTailHigh) & (1<<wideTailHigh - 1)
		return high<<wideTailLowBits | low
	}
	word, shift := denseTail(i)
	return l[word] >> shift & (1<<denseTailBits - 1)
}

// put fills a slot.
func (l *line) put(f form, i int, low, tail uint64) {
	l[i] = low
	if f.wide() {
		shift := i % 2 * wideTailLowBits
		word := &l[wideSlots+i/2]
		*word = *word&^(wideTailLow<<shift) | tail&wideTailLow<<shift
		shift = wideTailLowBits + i*wideTailHigh
		l[7] = l[7]&^((1<<wideTailHigh-1)<<shift) | tail>>wideTailLowBits<<shift
		return
	}
	word, shift := denseTail(i)
	l[word] = l[word]&^((1<<denseTailBits-1)<<shift) | tail<<shift
}

// denseTail returns where a dense line has a slot's tail.
func denseTail(i int) (word, shift int) {
	const half = denseSlots / 2
	if i < half {
		return denseSlots, i * denseTailBits
	}
	return denseSlots + 1, (i - half) * denseTailBits
}

// bucket returns a slot's bucket, counted from the piece's base.
func (l *line) bucket(f form, i int) uint32 { return uint32(l.tail(f, i)) & f.reach() }

func (l *line) setBucket(f form, i int, bucket uint32) {
	l.put(f, i, l[i], l.tail(f, i)&^uint64(f.reach())|uint64(bucket))
}

func (l *line) clear(f form, i int) { l.put(f, i, 0, 0) }

// firstOf returns the lowest of some slots.
func firstOf(slots uint) int { return bits.TrailingZeros(slots) }
