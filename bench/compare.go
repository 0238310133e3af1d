package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"headcount/bench/local"
)

// The bounds of the options.
const (
	compareConnectionsMax = 1024
	heldMax               = 100_000_000
	fillTimeout           = time.Hour
	fillConnections       = 16
)

// compareOptions are those of the command.
type compareOptions struct {
	peers       []peer
	runs        int
	duration    time.Duration // of each measurement
	connections int
	held        int // memberships
	bulk        int
	segments    int
	nodes       local.Options // the program and the ports
	dir         string
	jsonPath    string
	markdown    string
}

func parseCompare(args []string, errs io.Writer) (compareOptions, error) {
	var o compareOptions
	flags := flag.NewFlagSet("bench compare", flag.ContinueOnError)
	flags.SetOutput(errs)
	only := flags.String("only", "", "measure these `peers` alone, separated by commas: "+peerNames())
	flags.IntVar(&o.runs, "runs", 1, "how often each is started and measured; the medians are printed")
	flags.DurationVar(&o.duration, "duration", 5*time.Second, "how long single writes, and then requests of many, are sent in each run")
	flags.IntVar(&o.connections, "connections", 64, "connections in all; each has one request under way")
	flags.IntVar(&o.held, "held", 1_000_000, "`memberships`, each of another user, that are put in before the measurement")
	flags.IntVar(&o.bulk, "bulk", 1000, "`records` of a request of many")
	flags.IntVar(&o.segments, "segments", 300, "segments, drawn by Zipf's law")
	programFlags(flags, &o.nodes)
	flags.StringVar(&o.dir, "data", ".", "`directory` on a real disk, for data that goes again")
	flags.StringVar(&o.jsonPath, "json", "", "write the figures to this `file` too")
	flags.StringVar(&o.markdown, "markdown", "", "write the table to this `file` too")
	if err := parseFlags(flags, args); err != nil {
		return o, err
	}
	if o.duration < durationMin || o.duration > durationMax {
		return o, fmt.Errorf("--duration is %s: give %s to %s", o.duration, durationMin, durationMax)
	}
	if err := within([]bound{
		{"runs", o.runs, 1, runsMax},
		{"connections", o.connections, 1, compareConnectionsMax},
		{"held", o.held, 0, heldMax},
		{"bulk", o.bulk, 2, bulkMax},
		{"segments", o.segments, 1, segmentsMax},
	}); err != nil {
		return o, err
	}
	var err error
	o.peers, err = peersNamed(*only)
	return o, err
}

func peerNames() string {
	var names []string
	for _, p := range peers() {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}

// peersNamed returns those of a list, or all for "".
func peersNamed(list string) (named []peer, err error) {
	if list == "" {
		return peers(), nil
	}
	for name := range strings.SplitSeq(list, ",") {
		at := slices.IndexFunc(peers(), func(p peer) bool { return p.name == name })
		if at < 0 {
			return nil, fmt.Errorf("--only: there is no %q: give some of %s", name, peerNames())
		}
		named = append(named, peers()[at])
	}
	return named, nil
}

// compare measures the peers, one after the other, as often as the options say.
func compare(ctx context.Context, o compareOptions, errs io.Writer) (_ *compareReport, err error) {
	scratch, err := os.MkdirTemp(o.dir, "bench-compare-")
	if err != nil {
		return nil, fmt.Errorf("a directory for the peers: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	if o.dir, err = filepath.Abs(scratch); err != nil {
		return nil, err
	}
	// Where PostgreSQL runs under an account of its own, it must get through.
	if err := os.Chmod(o.dir, 0o755); err != nil {
		return nil, err
	}
	if o.nodes.Headcount == "" && slices.ContainsFunc(o.peers, func(p peer) bool { return strings.HasPrefix(p.name, "headcount") }) {
		o.nodes.Headcount = filepath.Join(o.dir, "headcount")
		if err := local.Build(ctx, o.nodes.Headcount); err != nil {
			return nil, err
		}
	}
	report := newCompareReport(o)
	for _, p := range o.peers {
		if missing := p.missing(); missing != "" {
			fmt.Fprintf(errs, "%s is left out: install %s\n", p.name, missing)
			report.LeftOut[p.name] = missing
		}
	}
	for number := range o.runs {
		for _, p := range o.peers {
			if report.LeftOut[p.name] != "" {
				continue
			}
			fmt.Fprintf(errs, "run %d of %d: %s\n", number+1, o.runs, p.name)
			run, err := comparePeer(ctx, o, p)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			report.add(p, run)
		}
	}
	return report, nil
}

// comparePeer starts the peer, fills it, measures it and stops it.
func comparePeer(ctx context.Context, o compareOptions, p peer) (run peerRun, err error) {
	dir, err := os.MkdirTemp(o.dir, p.name+"-")
	if err != nil {
		return run, fmt.Errorf("a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil {
		return run, err
	}
	s, err := p.start(ctx, o, dir)
	if err != nil {
		return run, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()

	seed := rand.Uint64()
	before := usageOf(s.pids)
	if run.Held, err = fill(ctx, s, o.load(o.bulk), o.held, seed); err != nil {
		return run, fmt.Errorf("putting in what it is to hold: %w", err)
	}
	run.MemoryBytes = usageOf(s.pids).memoryBytes
	if run.Held > 0 {
		run.BytesPerMembership = float64(run.MemoryBytes-before.memoryBytes) / float64(run.Held)
	}
	if run.Single, err = drive(ctx, drivers{site: s, load: o.load(0), seed: seed + 1}, o.connections, o.duration); err != nil {
		return run, err
	}
	run.Bulk, err = drive(ctx, drivers{site: s, load: o.load(o.bulk), seed: seed + 2}, o.connections, o.duration)
	return run, err
}

// load is what is sent, by so many records.
func (o compareOptions) load(records int) options {
	return options{bulk: records, segments: o.segments, users: max(1_000_000, o.held)}
}

// fill puts in memberships of so many users, in whole requests, and returns how many.
func fill(ctx context.Context, s *site, load options, held int, seed uint64) (uint64, error) {
	requests := int64(held / load.bulk)
	if requests == 0 {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, fillTimeout)
	defer cancel()
	var taken atomic.Int64
	var users atomic.Uint64
	d := drivers{site: s, load: load, seed: seed, users: &users}
	senders, err := d.open(ctx, fillConnections)
	if err != nil {
		return 0, err
	}
	t := d.run(ctx, senders, func() bool { return taken.Add(1) <= requests })
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	for _, trouble := range t.trouble {
		return 0, fmt.Errorf("%d × %s", trouble.Count, trouble.Example)
	}
	return t.acknowledged.Load(), nil
}

// drive measures a closed loop over so many connections, for so long.
func drive(ctx context.Context, d drivers, connections int, long time.Duration) (compareFigures, error) {
	ctx, cancel := context.WithTimeout(ctx, long+replyGrace)
	defer cancel()
	senders, err := d.open(ctx, connections)
	if err != nil {
		return compareFigures{}, err
	}
	before := usageOf(d.site.pids)
	p := newPace(0, long)
	defer context.AfterFunc(ctx, func() { p.stop.Store(true) })()
	t := d.run(ctx, senders, func() bool { _, more := p.next(); return more })
	if ctx.Err() != nil {
		return compareFigures{}, ctx.Err()
	}
	f := compareFigures{figures: figuresOf(t, time.Since(p.began), 0)}
	if spent := usageOf(d.site.pids).processorSeconds - before.processorSeconds; f.Acknowledged > 0 {
		f.ProcessorSecondsPerMillion = spent / float64(f.Acknowledged) * 1e6
	}
	return f, nil
}

// drivers send to a site over many connections.
type drivers struct {
	site  *site
	load  options
	seed  uint64
	users *atomic.Uint64 // nil: users are drawn; else each is the next one
}

// open makes the senders: all or none.
func (d drivers) open(ctx context.Context, connections int) (senders []sender, _ error) {
	for i := range connections {
		s, err := d.site.open(ctx, i, d.load)
		if err != nil {
			for _, s := range senders {
				s.close()
			}
			return nil, fmt.Errorf("opening connection %d of %d: %w", i+1, connections, err)
		}
		senders = append(senders, s)
	}
	return senders, nil
}

// draws are what the senders draw from.
func (d drivers) draws(n int) []draw {
	segments := newZipf(d.load.segments)
	list := make([]draw, n)
	for i := range list {
		list[i] = newDraw(d.seed, uint64(i), segments, d.load.users)
		list[i].inOrder, list[i].renewing = d.users, d.load.renewing
	}
	return list
}

// run has each sender send as long as more says so, closes them, and returns what came of
// it.
func (d drivers) run(ctx context.Context, senders []sender, more func() bool) *tally {
	total := newTally(d.load.bulk > 0)
	draws := d.draws(len(senders))
	var mu sync.Mutex // guards total
	var sending sync.WaitGroup
	for i, s := range senders {
		sending.Go(func() {
			defer s.close()
			t := newTally(d.load.bulk > 0)
			for more() && ctx.Err() == nil {
				done := t.done
				s.send(&draws[i], time.Now(), t)
				t.sent++
				if t.done == done {
					time.Sleep(errorPause)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			total.merge(t)
		})
	}
	sending.Wait()
	return total
}
