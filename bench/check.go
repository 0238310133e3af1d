package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	checkDurationMax = 30 * time.Minute // within which nothing expires that is written
	checkRecordsMax  = 20_000_000       // each takes 16 bytes
	checkPatienceMax = time.Hour
	lookupsMax       = 1_000_000
)

// checkOptions are those of the command.
type checkOptions struct {
	load     options
	dsn      string // of PostgreSQL; "": it is not looked at
	lookups  int    // users
	patience time.Duration
}

func parseCheck(args []string, errs io.Writer) (checkOptions, error) {
	var o checkOptions
	flags := flag.NewFlagSet("bench check", flag.ContinueOnError)
	flags.SetOutput(errs)
	urls := flags.String("url", "", "base `URLs` of the nodes, separated by commas, like http://127.0.0.1:8000")
	flags.IntVar(&o.load.connections, "connections", 64, "connections in all, spread over the URLs; one whose node fails goes on to the next")
	flags.DurationVar(&o.load.duration, "duration", 10*time.Second, "how long to write")
	flags.IntVar(&o.load.segments, "segments", 300, "segments, drawn by Zipf's law")
	flags.IntVar(&o.load.users, "users", 100_000, "users, drawn uniformly")
	flags.IntVar(&o.load.bulk, "bulk", 0, "`records` of a request as application/x-ndjson; 0: single POSTs")
	flags.Float64Var(&o.load.rate, "rate", 0, "`requests` per second, due at fixed instants; 0: each connection sends its next request after the last reply")
	flags.StringVar(&o.dsn, "dsn", "", "`URL` of the PostgreSQL that the cluster writes to; it is not looked at if none is given")
	flags.IntVar(&o.lookups, "lookups", 1000, "users that are looked up")
	flags.DurationVar(&o.patience, "patience", time.Minute, "how long the cluster may take to answer again, and PostgreSQL to have everything")
	flags.StringVar(&o.load.jsonPath, "json", "", "write the figures to this `file` too")
	flags.Uint64Var(&o.load.seed, "seed", 0, "draws the same memberships again, under other names; 0: new ones")
	if err := parseFlags(flags, args); err != nil {
		return o, err
	}
	var err error
	if o.load.addresses, err = addressesOf(*urls); err != nil {
		return o, err
	}
	o.load.seed = seedOr(o.load.seed)
	// So that nobody else's memberships are among them, nor those of another run.
	o.load.prefix = "check-" + strconv.FormatUint(rand.Uint64(), 36) + "-"
	o.load.runs = 1
	if err := o.load.validate(); err != nil {
		return o, err
	}
	switch {
	case o.load.duration > checkDurationMax:
		return o, fmt.Errorf("--duration is %s: give at most %s", o.load.duration, checkDurationMax)
	case o.lookups < 0 || o.lookups > lookupsMax:
		return o, fmt.Errorf("--lookups is %d: give 0 to %d", o.lookups, lookupsMax)
	case o.patience < 0 || o.patience > checkPatienceMax:
		return o, fmt.Errorf("--patience is %s: give 0s to %s", o.patience, checkPatienceMax)
	}
	return o, nil
}

// check writes, and then compares what the cluster and PostgreSQL have with what was
// acknowledged.
func check(ctx context.Context, o checkOptions, errs io.Writer) (*checkReport, error) {
	if err := requireReady(ctx, o.load.addresses); err != nil {
		return nil, err
	}
	report := newCheckReport(o)
	fmt.Fprintf(errs, "writing for %s; all names begin with %q\n", o.load.duration, o.load.prefix)
	ledgers, load := writeDown(ctx, o.load)
	report.Load = load
	if ctx.Err() != nil {
		return nil, errors.New("interrupted while it wrote: nothing is compared")
	}
	fmt.Fprintln(errs, "adding up")
	a, err := newAuditor(o, settle(ledgers))
	if err != nil {
		return nil, err
	}
	defer a.close()
	report.Memberships = len(a.all)
	for _, audit := range []func(context.Context) ([]verdict, error){a.counts, a.users, a.postgres} {
		verdicts, err := audit(ctx)
		if err != nil {
			return nil, err
		}
		for _, v := range verdicts {
			fmt.Fprintln(errs, v)
		}
		report.Verdicts = append(report.Verdicts, verdicts...)
	}
	return report, nil
}

// writeDown writes, and keeps a ledger for each connection.
func writeDown(ctx context.Context, o options) ([]ledger, figures) {
	p := newPace(o.rate, o.duration)
	defer context.AfterFunc(ctx, func() { p.stop.Store(true) })()
	scribes := make([]*scribe, o.connections)
	segments := newZipf(o.segments)
	var records atomic.Int64 // of all
	var writing sync.WaitGroup
	for i := range scribes {
		s := &scribe{
			addresses: o.addresses, turn: i, payload: newPayload(o.addresses[i%len(o.addresses)], o), tally: newTally(o.bulk > 0),
			ledger: ledger{draw: newDraw(o.seed, uint64(i), segments, o.users), at: p.began, records: o.records()},
		}
		s.connect(p)
		scribes[i] = s
		writing.Go(func() { s.run(p, &records) })
	}
	writing.Wait()
	took := time.Since(p.began)
	total := newTally(o.bulk > 0)
	var ledgers []ledger
	for _, s := range scribes {
		total.merge(s.tally)
		ledgers = append(ledgers, s.ledger)
	}
	return ledgers, figuresOf(total, took, p.scheduled())
}

// scribe sends one request at a time and writes down what became of it.
type scribe struct {
	addresses  []string
	turn       int // the node that it is connected to
	connection connection
	payload    *payload
	tally      *tally
	ledger     ledger
}

// connect goes to the node whose turn it is.
func (s *scribe) connect(p *pace) {
	s.connection.close()
	s.connection = newConnection(s.addresses[s.turn%len(s.addresses)])
	_ = s.connection.setDeadline(p.until.Add(replyGrace)) // it is not open yet
}

func (s *scribe) run(p *pace, records *atomic.Int64) {
	defer func() { s.connection.close() }()
	d := s.ledger.draw.clone()
	for due, more := p.next(); more; due, more = p.next() {
		if records.Add(int64(s.payload.records)) > checkRecordsMax {
			return
		}
		s.payload.fill(&d, s.ledger.at)
		s.tally.sent++
		outcome, pause := s.attempt(due)
		s.ledger.outcomes = append(s.ledger.outcomes, outcome)
		if pause > 0 {
			p.rest(time.Now().Add(pause))
			s.turn++
			s.connect(p)
		}
	}
}

// attempt sends the request once. After a pause, the next one is for another node.
func (s *scribe) attempt(due time.Time) (_ outcome, pause time.Duration) {
	if err := s.connection.open(); err != nil {
		s.tally.failed(err)
		return notApplied, errorPause
	}
	if err := s.connection.exchange(s.payload.bytes); err != nil {
		s.tally.failed(err)
		return unknown, errorPause
	}
	r := &s.connection.reply
	before := s.tally.acknowledged.Load()
	s.tally.replied(r, time.Since(due), s.payload.records)
	switch {
	case s.tally.acknowledged.Load()-before == uint64(s.payload.records):
		return acknowledged, 0
	case r.status == 503 && r.problem:
		return notApplied, max(r.retryAfter, errorPause)
	default:
		return unknown, errorPause
	}
}
