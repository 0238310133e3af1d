package main

import (
	"bytes"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strconv"
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
}

func newDraw(seed, stream uint64, segments *zipf, users int) draw {
	return draw{random: rand.NewPCG(seed, stream), segments: segments, users: uint64(users)}
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

	// Of one record: its length with the line's end, and where its digits are.
	recordBytes             int
	user, segment, expiry   int
	userWidth, segmentWidth int
}

// newPayload builds the request for a host. Its digits are zeros until fill.
func newPayload(host string, o options) *payload {
	if o.counts {
		p := &payload{bytes: []byte("GET /segments/count HTTP/1.1\r\nHost: " + host + "\r\n\r\n"), records: 1}
		p.body = len(p.bytes) // nothing to fill
		return p
	}
	p := &payload{
		records:      o.records(),
		userWidth:    max(6, digits(o.users-1)),
		segmentWidth: max(3, digits(o.segments-1)),
	}
	const (
		beforeUser    = `{"ID":"u`
		beforeSegment = `","segment":"s`
		beforeExpiry  = `","expiredSegment":`
	)
	p.user = len(beforeUser)
	p.segment = p.user + p.userWidth + len(beforeSegment)
	p.expiry = p.segment + p.segmentWidth + len(beforeExpiry)
	record := fmt.Sprintf("%s%0*d%s%0*d%s%0*d}",
		beforeUser, p.userWidth, 0, beforeSegment, p.segmentWidth, 0, beforeExpiry, expiryWidth, 0)

	contentType := "application/json"
	if o.bulk > 0 {
		contentType = "application/x-ndjson"
		record += "\n"
	}
	p.recordBytes = len(record)
	header := "POST /users HTTP/1.1\r\nHost: " + host +
		"\r\nContent-Type: " + contentType +
		"\r\nContent-Length: " + strconv.Itoa(p.records*len(record)) + "\r\n\r\n"
	p.body = len(header)
	p.bytes = append([]byte(header), bytes.Repeat([]byte(record), p.records)...)
	return p
}

// fill draws all memberships of the request anew.
func (p *payload) fill(d *draw, now time.Time) {
	soonest := uint64(now.Unix()) + lifetimeMinSeconds
	for at := p.body; at < len(p.bytes); at += p.recordBytes {
		record := p.bytes[at : at+p.recordBytes]
		overwrite(record[p.user:p.user+p.userWidth], d.below(d.users))
		overwrite(record[p.segment:p.segment+p.segmentWidth], uint64(d.segments.rank(d.random.Uint64())))
		overwrite(record[p.expiry:p.expiry+expiryWidth], soonest+d.below(lifetimeMaxSeconds-lifetimeMinSeconds))
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
