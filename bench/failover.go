package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall"
	"time"

	"headcount/bench/local"
	"headcount/client"
)

// fault is something that happens to the leader of a shard.
type fault struct {
	name   string
	signal syscall.Signal
	lasts  time.Duration // then it is continued; 0: dev starts it again
}

// faults by their names.
var faults = []fault{
	{name: "kill", signal: syscall.SIGKILL},
	{name: "pause", signal: syscall.SIGSTOP, lasts: 4 * time.Second},
	{name: "stop", signal: syscall.SIGTERM},
}

const (
	// Writes go on for so long after a fault until the next one is prepared. Five
	// seconds into its term a leader hands over to the preferred one: that is not
	// what is measured.
	afterFault = 4500 * time.Millisecond
	// The cluster is left alone for so long when it is whole again: longer than until
	// a leader hands over to the preferred one.
	steadyFor       = 6 * time.Second
	steadyTimeout   = time.Minute
	settleTimeout   = 30 * time.Second // for the last writes, and the count
	faultTimesMax   = 1000
	failoverRateMax = 50_000
)

// failoverOptions are those of the command.
type failoverOptions struct {
	cluster     local.Options
	faults      []fault
	times       int
	rate        float64
	connections int
	jsonPath    string
}

func parseFailover(args []string, errs io.Writer) (failoverOptions, error) {
	var o failoverOptions
	flags := flag.NewFlagSet("bench failover", flag.ContinueOnError)
	flags.SetOutput(errs)
	kinds := flags.String("kind", "kill,pause,stop", "what happens to the leader, `kinds` separated by commas")
	flags.IntVar(&o.times, "times", 5, "how often each of them happens")
	flags.Float64Var(&o.rate, "rate", 2000, "`writes` per second, due at fixed instants")
	flags.IntVar(&o.connections, "connections", 64, "writers; each keeps a connection to every node")
	clusterFlags(flags, &o.cluster)
	flags.StringVar(&o.jsonPath, "json", "", "write the figures to this `file` too")
	if err := parseFlags(flags, args); err != nil {
		return o, err
	}
	for kind := range strings.SplitSeq(*kinds, ",") {
		f, err := faultNamed(kind)
		if err != nil {
			return o, err
		}
		o.faults = append(o.faults, f)
	}
	switch {
	case o.times < 1 || o.times > faultTimesMax:
		return o, fmt.Errorf("--times is %d: give 1 to %d", o.times, faultTimesMax)
	case !(o.rate >= 1 && o.rate <= failoverRateMax):
		return o, fmt.Errorf("--rate is %v: give 1 to %d", o.rate, failoverRateMax)
	case o.connections < 1 || o.connections > connectionsMax:
		return o, fmt.Errorf("--connections is %d: give 1 to %d", o.connections, connectionsMax)
	}
	return o, nil
}

func faultNamed(name string) (fault, error) {
	for _, f := range faults {
		if f.name == name {
			return f, nil
		}
	}
	return fault{}, fmt.Errorf("--kind: there is no %q: give kill, pause or stop", name)
}

// failover measures how long nothing is acknowledged when something happens to a
// leader, and whether anything acknowledged is lost. Each kind of fault has a cluster
// of its own.
func failover(ctx context.Context, o failoverOptions, errs io.Writer) (*failoverReport, error) {
	report := newFailoverReport(o)
	for _, f := range o.faults {
		figures, err := failoverOf(ctx, o, f, errs)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		report.Kinds = append(report.Kinds, figures)
	}
	return report, nil
}

func failoverOf(ctx context.Context, o failoverOptions, f fault, errs io.Writer) (figures failoverFigures, err error) {
	if o.cluster.Dir != "" {
		o.cluster.Dir += "/" + f.name
	}
	cluster, err := local.Start(ctx, o.cluster)
	if err != nil {
		return figures, err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	writers, err := newWriters(cluster.URLs(), o.connections, strconv.FormatUint(rand.Uint64(), 36))
	if err != nil {
		return figures, err
	}
	writing, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan struct{})
	go func() {
		writers.run(writing, o.rate)
		close(ended)
	}()
	at, err := cause(ctx, cluster, f, o.times, errs)
	stop()
	<-ended
	if err != nil {
		return figures, err
	}
	figures = writers.figures(f.name, at)
	figures.Counted, err = writers.counted(ctx, cluster.URLs())
	return figures, err
}

// cause lets the fault happen so many times, and returns when it did.
func cause(ctx context.Context, cluster *local.Cluster, f fault, times int, errs io.Writer) (at []time.Time, err error) {
	for i := range times {
		steady, cancel := context.WithTimeout(ctx, steadyTimeout)
		leader, err := cluster.AwaitSteady(steady, steadyFor)
		cancel()
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(errs, "%s %d of %d: %s\n", f.name, i+1, times, leader)
		at = append(at, time.Now())
		if err := cluster.Signal(leader, f.signal); err != nil {
			return nil, err
		}
		if f.lasts > 0 {
			if err := sleep(ctx, f.lasts); err != nil {
				return nil, err
			}
			if err := cluster.Signal(leader, syscall.SIGCONT); err != nil {
				return nil, err
			}
		}
		if err := sleep(ctx, time.Until(at[i].Add(afterFault))); err != nil {
			return nil, err
		}
	}
	return at, nil
}

// sleep ends early, with an error, when ctx does.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// counted asks for the number of memberships that the cluster has of the writers'.
func (w *writers) counted(ctx context.Context, urls []string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	headcount, err := client.New(client.Options{RetriesMax: 10}, urls...)
	if err != nil {
		return 0, err
	}
	defer headcount.Close()
	return headcount.Count(ctx, w.segment, client.Linearizable())
}
