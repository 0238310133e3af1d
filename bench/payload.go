package main

import (
	"bytes"
	"math/bits"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// How far ahead expiries lie. The least keeps a write of a long slice from being
// one that has already expired.
const (
	lifetimeMinSeconds = 3600 + 60
	lifetimeMaxSeconds = 14 * 24 * 3600
)

// expiryWidth is how many digits Unix seconds have from 2001 to 2286.
const expiryWidth = 10

// draw chooses memberships. Two draws of the same seed and stream choose the same.
type draw struct {
	random   *rand.PCG
	segments *zipf
	users    uint64
	inOrder  *atomic.Uint64 // nil: users are drawn; else each is the next one

	// A user always has the same segment, and every expiry is as far ahead: once all
	// users are there, what is held no longer grows, and each write renews.
	renewing bool
	last     uint64 // user
}

func newDraw(seed, stream uint64, segments *zipf, users int) draw {
	return draw{random: rand.NewPCG(seed, stream), segments: segments, users: uint64(users)}
}

// clone draws the same from here on.
func (d *draw) clone() draw {
	c := *d
	c.random = new(rand.PCG)
	*c.random = *d.random
	return c
}

// user returns the number of a user.
func (d *draw) user() uint64 {
	if d.inOrder != nil {
		d.last = d.inOrder.Add(1) - 1
	} else {
		d.last = d.below(d.users)
	}
	return d.last
}

// segment returns the number of a segment for the last user.
func (d *draw) segment() uint64 {
	if d.renewing {
		return uint64(d.segments.rank(mix(d.last)))
	}
	return uint64(d.segments.rank(d.random.Uint64()))
}

// mix makes a number look random (splitmix64's finalizer: G. L. Steele, D. Lea, C. H. Flood 2014).
func mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// expiry returns Unix seconds.
func (d *draw) expiry(now time.Time) uint64 {
	if d.renewing {
		return uint64(now.Unix()) + lifetimeMaxSeconds
	}
	return uint64(now.Unix()) + lifetimeMinSeconds + d.below(lifetimeMaxSeconds-lifetimeMinSeconds)
}

// below returns a number from 0 to n-1, each as likely as the others to within n/2^64.
func (d *draw) below(n uint64) uint64 {
	number, _ := bits.Mul64(d.random.Uint64(), n)
	return number
}

// payload is one whole request, header and body, of one or more records. The
// records differ only in digits, which are overwritten in place.
type payload struct {
	bytes   []byte
	body    int // where the body begins
	records int

	recordBytes           int
	user, segment, expiry digitsAt // in a record
}

// digitsAt is where a record has a number.
type digitsAt struct{ from, to int }

// widths are how many digits the numbers of users and segments have.
func (o options) widths() (user, segment int) {
	return max(6, digits(o.users-1)), max(3, digits(o.segments-1))
}

// newPayload builds the request for a host. Its digits are zeros until fill.
func newPayload(host string, o options) *payload {
	if o.counts {
		head := "GET /segments/count HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
		return &payload{bytes: []byte(head), body: len(head), records: 1} // nothing to fill
	}
	contentType, end := "application/json", ""
	if o.bulk > 0 {
		contentType, end = "application/x-ndjson", "\n"
	}
	return newRecords(o, func(user, segment, expiry string) string {
		return `{"ID":"` + o.prefix + "u" + user + `","segment":"` + o.prefix + "s" + segment + `","expiredSegment":` + expiry + "}" + end
	}, func(bytes int) string {
		return "POST /users HTTP/1.1\r\nHost: " + host +
			"\r\nContent-Type: " + contentType +
			"\r\nContent-Length: " + strconv.Itoa(bytes) + "\r\n\r\n"
	})
}

// newReadPayload builds a read of the count of one segment.
func newReadPayload(host string, o options) *payload {
	o.bulk = 0
	return newRecords(o, func(_, segment, _ string) string {
		return "GET /segments/" + o.prefix + "s" + segment + "/count HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
	}, func(int) string { return "" })
}

// newRecords builds a request of records that are all alike: record writes one around
// its digits, and head what comes before a body of so many bytes.
func newRecords(o options, record func(user, segment, expiry string) string, head func(bytes int) string) *payload {
	p := &payload{records: o.records()}
	user, segment := o.widths()
	// Control characters stand for the digits until their places are known.
	marks := []string{strings.Repeat("\x01", user), strings.Repeat("\x02", segment), strings.Repeat("\x03", expiryWidth)}
	text := []byte(record(marks[0], marks[1], marks[2]))
	for i, at := range []*digitsAt{&p.user, &p.segment, &p.expiry} {
		if from := bytes.Index(text, []byte(marks[i])); from >= 0 { // a read has not all of them
			*at = digitsAt{from, from + len(marks[i])}
			overwrite(text[at.from:at.to], 0)
		}
	}
	p.recordBytes = len(text)
	header := head(p.records * len(text))
	p.body = len(header)
	p.bytes = append([]byte(header), bytes.Repeat(text, p.records)...)
	return p
}

// fill draws all memberships of the request anew.
func (p *payload) fill(d *draw, now time.Time) {
	for at := p.body; at < len(p.bytes); at += p.recordBytes {
		record := p.bytes[at : at+p.recordBytes]
		overwrite(record[p.user.from:p.user.to], d.user())
		overwrite(record[p.segment.from:p.segment.to], d.segment())
		overwrite(record[p.expiry.from:p.expiry.to], d.expiry(now))
	}
}

// overwrite writes the number with leading zeros. Digits that do not fit are lost.
func overwrite(digits []byte, number uint64) {
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = byte('0' + number%10)
		number /= 10
	}
}

// digits is the width of the number in decimal.
func digits(n int) int { return len(strconv.Itoa(n)) }
