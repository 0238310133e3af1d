package main

import "time"

const (
	replyGrace = 15 * time.Second       // after a slice's end, for the last replies
	errorPause = 100 * time.Millisecond // after an error, so that a dead node is not hammered
)

// target is what is being driven.
type target int

// The targets.
const (
	toCluster target = iota
	toEmpty
	targets int = iota
)

// worker sends one request at a time. It keeps one connection to each target, of
// which it drives one at a time with the same request.
type worker struct {
	draw    draw
	payload *payload
	lanes   [targets]lane

	reads uint64   // of 2^32 requests, how many read
	read  *payload // nil: none
}

// lane is a worker's connection to one target, and what came of it.
type lane struct {
	connection connection
	tally      *tally
	reads      *tally // what came of those that read
	series     *series
}

// next is the next request, and where what comes of it is counted.
func (w *worker) next(l *lane) (*payload, *tally) {
	if w.reads > 0 && w.draw.below(1<<32) < w.reads {
		return w.read, l.reads
	}
	return w.payload, l.tally
}

// run drives the target as long as the pace has requests. The connection stays open.
func (w *worker) run(to target, p *pace) {
	l := &w.lanes[to]
	if err := l.connection.setDeadline(p.until.Add(replyGrace)); err != nil {
		l.connection.close() // it opens again below, with the deadline
	}
	rested := true // it may have been closed while the other target was driven
	for began, more := p.next(); more; began, more = p.next() {
		request, tally := w.next(l)
		request.fill(&w.draw, began)
		err := l.connection.exchange(request.bytes)
		if rested && err != nil && closedBetween(err) {
			began = p.since(began)
			err = l.connection.exchange(request.bytes)
		}
		rested = false
		tally.sent++
		if err == nil {
			took := time.Since(began)
			tally.replied(&l.connection.reply, took, request.records)
			l.series.add(began, took, request.records)
		} else {
			tally.failed(err)
		}
		if pause := l.pause(err); pause > 0 {
			p.rest(time.Now().Add(pause))
		}
	}
}

// pause is how long to keep still after a reply or an error.
func (l *lane) pause(err error) time.Duration {
	switch {
	case err != nil:
		return errorPause
	case l.connection.reply.status == 503:
		return l.connection.reply.retryAfter
	default:
		return 0
	}
}
