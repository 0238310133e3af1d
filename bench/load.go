package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"headcount/client"
)

const (
	sliceTarget  = 2 * time.Second // about as long as a slice is
	readyTimeout = 10 * time.Second
)

// load measures as the options say. Progress goes to errs, if it is a terminal.
func load(ctx context.Context, o options, errs io.Writer) (*report, error) {
	if err := requireReady(ctx, o.addresses); err != nil {
		return nil, err
	}
	if !o.baseline {
		return measureAll(ctx, o, nil, errs)
	}
	replyBytes, err := replyBytes(o)
	if err != nil {
		return nil, err
	}
	processes, err := startBaseline(ctx, len(o.addresses), emptyOptions{replyBytes: replyBytes})
	if err != nil {
		return nil, err
	}
	report, err := measureAll(ctx, o, processes.addresses(), errs)
	// Whatever ended the runs is told; that a process ended badly may follow from it.
	if stopErr := processes.stop(); err == nil {
		err = stopErr
	}
	return report, err
}

// replyBytes is how much the handler that does nothing must send to be comparable: for
// counts, as much as the cluster does now.
func replyBytes(o options) (int, error) {
	if !o.counts {
		return 0, nil
	}
	c := newConnection(o.addresses[0])
	defer c.close()
	if err := c.setDeadline(time.Now().Add(readyTimeout)); err != nil {
		return 0, err
	}
	if err := c.exchange(newPayload(o.addresses[0], o).bytes); err != nil {
		return 0, fmt.Errorf("reading the counts: %w", err)
	}
	if c.reply.status != 200 {
		return 0, fmt.Errorf("reading the counts: status %d: %s", c.reply.status, c.reply.body)
	}
	return len(c.reply.body), nil
}

// measureAll does the runs, beside the empty handlers if there are any.
func measureAll(ctx context.Context, o options, empty []string, errs io.Writer) (*report, error) {
	f := newFleet(o, empty)
	defer f.close()
	side := newSide(o)
	defer side.close()
	report := newReport(o)
	for number := range o.runs {
		p := newProgress(errs, f, fmt.Sprintf("run %d of %d", number+1, o.runs))
		if err := side.begin(ctx); err != nil {
			return nil, err
		}
		run, err := measure(ctx, f, o, p)
		run.Beside = side.end()
		if err != nil {
			return nil, err
		}
		report.Runs = append(report.Runs, run)
	}
	return report, nil
}

// requireReady asks each node, so that a wrong URL shows before the load.
func requireReady(ctx context.Context, addresses []string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for _, address := range addresses {
		headcount, err := client.New(client.Options{}, "http://"+address)
		if err != nil {
			return err
		}
		err = headcount.Ready(ctx)
		headcount.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// measure is one run: the two targets by turns.
func measure(ctx context.Context, f *fleet, o options, p *progress) (measurement, error) {
	defer p.clear()
	for to := range target(targets) {
		if to == toEmpty && !o.baseline {
			continue
		}
		if err := f.open(ctx, to); err != nil {
			return measurement{}, err
		}
	}
	var took [targets]time.Duration
	var scheduled [targets]uint64
	turns, slice := plan(o)
	kept := keepSeries(f, o, time.Duration(len(turns))*slice)
	for i, to := range turns {
		p.begin(to, i+1, len(turns))
		pace := newPace(o.rate, slice)
		took[to] += f.drive(ctx, to, pace)
		scheduled[to] += pace.scheduled()
		p.end()
		if ctx.Err() != nil {
			return measurement{}, fmt.Errorf("interrupted in slice %d of %d", i+1, len(turns))
		}
	}
	m := sumUp(f, o, took, scheduled)
	m.series = kept
	return m, nil
}

// keepSeries has what is done kept over time, if there is to be a page of it.
func keepSeries(f *fleet, o options, d time.Duration) (kept [targets]*series) {
	if o.htmlPath == "" {
		return kept
	}
	began := time.Now()
	for to := range kept {
		if target(to) == toCluster || o.baseline {
			kept[to] = newSeries(began, d)
			f.keep(target(to), kept[to])
		}
	}
	return kept
}

// sumUp makes the figures of a run.
func sumUp(f *fleet, o options, took [targets]time.Duration, scheduled [targets]uint64) (m measurement) {
	of := func(to target) (writes figures, reads *figures) {
		w, r := f.total(to)
		// All requests are scheduled together.
		writes = figuresOf(w, took[to], scheduled[to]-min(r.sent, scheduled[to]))
		if o.reads > 0 {
			figures := figuresOf(r, took[to], 0)
			reads = &figures
		}
		return writes, reads
	}
	m.Cluster, m.ClusterReads = of(toCluster)
	if !o.baseline {
		return m
	}
	empty, reads := of(toEmpty)
	m.Empty, m.EmptyReads = &empty, reads
	if o.rate == 0 {
		m.Ratio = m.Cluster.WritesPerSecond / max(1, empty.WritesPerSecond)
	}
	return m
}

// plan cuts the duration into slices and lists whose turn each is. The empty handler
// has the first turn and the last. At a fixed rate each has one turn: what has piled up
// at the end of a slice must not be forgotten.
func plan(o options) (turns []target, slice time.Duration) {
	if o.rate > 0 {
		if o.baseline {
			turns = append(turns, toEmpty)
		}
		return append(turns, toCluster), o.duration
	}
	slices := max(1, int((o.duration+sliceTarget/2)/sliceTarget))
	if o.baseline {
		turns = append(turns, toEmpty)
	}
	for range slices {
		turns = append(turns, toCluster)
		if o.baseline {
			turns = append(turns, toEmpty)
		}
	}
	return turns, o.duration / time.Duration(slices)
}
