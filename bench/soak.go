package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"headcount/bench/local"
)

const (
	soakBulk     = 1000 // records of a request that fills
	soakStep     = 10 * time.Second
	soakStepsMax = 6 * 60 * 24
)

// soakOptions are those of the command.
type soakOptions struct {
	cluster     local.Options
	load        options
	held        int // memberships
	share       float64
	calibration time.Duration // for which the most that it takes is measured
	window      time.Duration // of which the figures are compared
}

func parseSoak(args []string, errs io.Writer) (soakOptions, error) {
	o := soakOptions{load: options{renewing: true, runs: 1, addresses: []string{""}}}
	flags := flag.NewFlagSet("bench soak", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.DurationVar(&o.load.duration, "duration", 10*time.Minute, "how long it writes")
	flags.DurationVar(&o.window, "window", time.Minute, "how long each part is, of which the second and the last are compared")
	flags.IntVar(&o.load.connections, "connections", 256, "connections in all, spread over the nodes")
	flags.IntVar(&o.load.segments, "segments", 300, "segments, drawn by Zipf's law")
	flags.IntVar(&o.held, "held", 1_000_000, "`memberships`, which are put in first, and then renewed over and over")
	flags.Float64Var(&o.share, "share", 0.7, "of the most that it takes, measured at first")
	flags.Float64Var(&o.load.rate, "rate", 0, "`writes` per second, due at fixed instants, instead of --share")
	flags.DurationVar(&o.calibration, "calibration", 20*time.Second, "how long the most that it takes is measured")
	clusterFlags(flags, &o.cluster)
	flags.StringVar(&o.load.jsonPath, "json", "", "write the figures to this `file` too")
	if err := parseFlags(flags, args); err != nil {
		return o, err
	}
	o.load.users = max(1, o.held)
	o.load.seed = rand.Uint64()
	if err := o.load.validate(); err != nil {
		return o, err
	}
	switch {
	case o.held < soakBulk || o.held > heldMax:
		return o, fmt.Errorf("--held is %d: give %d to %d", o.held, soakBulk, heldMax)
	case !(o.share > 0 && o.share <= 1):
		return o, fmt.Errorf("--share is %v: give more than 0, at most 1", o.share)
	case o.calibration < durationMin || o.calibration > durationMax:
		return o, fmt.Errorf("--calibration is %s: give %s to %s", o.calibration, durationMin, durationMax)
	case o.window < durationMin || o.load.duration < 2*o.window || o.load.duration/o.window > soakStepsMax:
		return o, fmt.Errorf("--window is %s: give at least %s, and no more than half of --duration", o.window, durationMin)
	}
	o.held -= o.held % soakBulk
	o.load.users = o.held
	return o, nil
}

// soak keeps a cluster at a fixed rate for long, and watches whether anything grows.
func soak(ctx context.Context, o soakOptions, errs io.Writer) (_ *soakReport, err error) {
	cluster, err := local.Start(ctx, o.cluster)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	s := &site{pids: cluster.Pids(), open: openHTTP(cluster.Addresses())}
	filling := o.load
	filling.bulk = soakBulk
	fmt.Fprintf(errs, "putting in %s memberships\n", grouped(float64(o.held)))
	if _, err := fill(ctx, s, filling, o.held, o.load.seed); err != nil {
		return nil, fmt.Errorf("putting in what it is to hold: %w", err)
	}
	report := newSoakReport(o)
	if o.load.rate == 0 {
		fmt.Fprintf(errs, "measuring the most that it takes, for %s\n", o.calibration)
		most, err := drive(ctx, drivers{site: s, load: o.load, seed: o.load.seed + 1}, o.load.connections, o.calibration)
		if err != nil {
			return nil, err
		}
		report.Most = most.WritesPerSecond
		o.load.rate = max(1, report.Most*o.share)
	}
	report.Rate = o.load.rate
	fmt.Fprintf(errs, "%s writes/s due, for %s\n", grouped(o.load.rate), o.load.duration)
	err = soakThrough(ctx, o, s, cluster.Dirs(), report, errs)
	return report, err
}

// soakThrough writes at the rate, and fills the report window by window.
func soakThrough(ctx context.Context, o soakOptions, s *site, dirs []string, report *soakReport, errs io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, o.load.duration+replyGrace)
	defer cancel()
	d := drivers{site: s, load: o.load, seed: o.load.seed + 2}
	senders, err := d.open(ctx, o.load.connections)
	if err != nil {
		return err
	}
	draws := d.draws(len(senders))
	p := newPace(o.load.rate, o.load.duration)
	defer context.AfterFunc(ctx, func() { p.stop.Store(true) })()
	all := &windows{long: o.window, began: p.began}
	var writing sync.WaitGroup
	for i, sender := range senders {
		writing.Go(func() {
			defer sender.close()
			all.write(p, sender, &draws[i])
		})
	}
	ended := make(chan struct{})
	go func() { writing.Wait(); close(ended) }()
	all.watch(ended, s.pids, dirs, errs)
	report.Windows = all.figures(p)
	report.NotSent = p.scheduled() - min(p.scheduled(), all.sent())
	return ctx.Err()
}

// windows are equally long parts of a soak.
type windows struct {
	long  time.Duration
	began time.Time

	acknowledged atomic.Uint64

	mu   sync.Mutex
	list []window
}

type window struct {
	tally  *tally
	memory int64 // bytes of all nodes, at the last look within it
	disk   int64
}

// number of the window of an instant.
func (all *windows) number(t time.Time) int { return max(0, int(t.Sub(all.began)/all.long)) }

// at returns a window. The lock is held.
func (all *windows) at(number int) *window {
	for len(all.list) <= number {
		all.list = append(all.list, window{tally: newTally(false)})
	}
	return &all.list[number]
}

// write sends until the pace has no more. A request belongs to the window in which it was due.
func (all *windows) write(p *pace, s sender, d *draw) {
	number, t := 0, newTally(false)
	defer func() { all.add(number, t) }()
	for due, more := p.next(); more; due, more = p.next() {
		if n := all.number(due); n != number {
			all.add(number, t)
			number, t = n, newTally(false)
		}
		done := t.done
		t.sent++
		// The expiry counts from when it was due, which is near enough.
		s.send(d, due, t)
		if t.done == done {
			p.rest(time.Now().Add(errorPause))
			continue
		}
		all.acknowledged.Add(1)
	}
}

// add takes in what one writer did in a window.
func (all *windows) add(number int, t *tally) {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.at(number).tally.merge(t)
}

// watch looks at memory and disk now and then until the writes have ended.
func (all *windows) watch(ended <-chan struct{}, pids []int, dirs []string, errs io.Writer) {
	step := min(soakStep, all.long/4)
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	last, at := uint64(0), all.began
	for {
		select {
		case <-ended:
			return
		case now := <-ticker.C:
			memory, disk := usageOf(pids).memoryBytes, diskOf(dirs)
			all.mu.Lock()
			w := all.at(all.number(now))
			w.memory, w.disk = memory, disk
			all.mu.Unlock()
			sum := all.acknowledged.Load()
			if step == soakStep {
				fmt.Fprintf(errs, "%6.0f s: %s writes/s, %s MiB in memory, %s MiB on disk\n", now.Sub(all.began).Seconds(),
					grouped(float64(sum-last)/now.Sub(at).Seconds()), grouped(mebibytes(memory)), grouped(mebibytes(disk)))
			}
			last, at = sum, now
		}
	}
}

// sent is how many requests were, in all.
func (all *windows) sent() (sum uint64) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, w := range all.list {
		sum += w.tally.sent
	}
	return sum
}

// figures of the windows that lie whole within the pace.
func (all *windows) figures(p *pace) (list []soakWindow) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for i, w := range all.list {
		if !all.began.Add(time.Duration(i+1) * all.long).After(p.until) {
			list = append(list, soakWindow{figures: figuresOf(w.tally, all.long, 0), MemoryBytes: w.memory, DiskBytes: w.disk})
		}
	}
	return list
}

// diskOf is what the files below the directories take on the disk.
func diskOf(dirs []string) (sum int64) {
	for _, dir := range dirs {
		// A file that goes while it is looked at is not there.
		_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
			if err != nil {
				return nil
			}
			info, err := entry.Info()
			if err != nil {
				return nil
			}
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				sum += stat.Blocks * 512
			}
			return nil
		})
	}
	return sum
}

func mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
