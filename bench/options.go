package main

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"time"

	"headcount/bench/local"
)

// The bounds of the options.
const (
	connectionsMax = 16_384
	durationMin    = 100 * time.Millisecond
	durationMax    = time.Hour
	segmentsMax    = 10_000
	usersMax       = 1_000_000_000
	bulkMax        = 10_000
	runsMax        = 100
	rateMax        = 10_000_000 // requests/s

	// Connections of the writes at the side. So many keep up with any rate the
	// cluster takes.
	besideConnections = 64

	// Records of all connections together: each holds its request in memory.
	recordsMax = 10_000_000
)

// options of a load.
type options struct {
	addresses   []string // host:port, as in the URLs
	connections int      // in all, spread over the addresses
	duration    time.Duration
	segments    int
	users       int
	bulk        int     // records of a request; 0: single POSTs
	counts      bool    // GET /segments/count instead of writes
	rate        float64 // requests/s of all connections; 0: a closed loop
	beside      float64 // single POSTs/s to the cluster while the counts are read; 0: none
	reads       float64 // share of the requests that read the count of one segment
	runs        int
	baseline    bool
	jsonPath    string // "": no file
	htmlPath    string
	prefix      string // of the names
	renewing    bool   // see draw
	seed        uint64 // of what is drawn; the same seed sends the same memberships
}

// parseOptions reads the arguments of load. The flags' help goes to errs.
func parseOptions(args []string, errs io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench load", flag.ContinueOnError)
	flags.SetOutput(errs)
	urls := flags.String("url", "", "base `URLs` of the nodes, separated by commas, like http://127.0.0.1:8000")
	flags.IntVar(&o.connections, "connections", 256, "connections in all, spread over the URLs")
	flags.DurationVar(&o.duration, "duration", 10*time.Second, "how long the cluster is driven in each run; the baseline takes about as long again")
	flags.IntVar(&o.segments, "segments", 300, "segments, drawn by Zipf's law")
	flags.IntVar(&o.users, "users", 1_000_000, "users, drawn uniformly")
	flags.IntVar(&o.bulk, "bulk", 0, "`records` of a request as application/x-ndjson; 0: single POSTs")
	flags.BoolVar(&o.counts, "counts", false, "read the counts of all segments instead of writing; the handler that does nothing sends as many bytes")
	flags.Float64Var(&o.rate, "rate", 0, "`requests` per second, due at fixed instants from which their latency counts; 0: each connection sends its next request after the last reply")
	flags.Float64Var(&o.beside, "beside", 0, "with --counts: `writes` per second to the cluster all the while, also while the handler that does nothing is driven")
	flags.Float64Var(&o.reads, "reads", 0, "`share` of the requests, from 0 to 1, that read the count of one segment instead of writing")
	flags.IntVar(&o.runs, "runs", 1, "how often to measure")
	flags.StringVar(&o.jsonPath, "json", "", "write the figures to this `file` too")
	flags.StringVar(&o.htmlPath, "html", "", "write a page with the figures over time to this `file` too")
	flags.Uint64Var(&o.seed, "seed", 0, "draws the same memberships again; 0: new ones")
	noBaseline := flags.Bool("no-baseline", false, "do not measure the handler that does nothing")
	if err := parseFlags(flags, args); err != nil {
		return o, err
	}
	o.baseline = !*noBaseline
	o.seed = seedOr(o.seed)
	var err error
	if o.addresses, err = addressesOf(*urls); err != nil {
		return o, err
	}
	return o, o.validate()
}

// parseFlags reads the arguments, all of which must be flags.
func parseFlags(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	return nil
}

// programFlags are those of commands that start nodes.
func programFlags(flags *flag.FlagSet, o *local.Options) {
	flags.StringVar(&o.Headcount, "headcount", "", "the `program`; it is built from this module if none is given")
	flags.IntVar(&o.Port, "port", 8100, "the first node's HTTP `port`; the 30 above it are used too")
}

// clusterFlags are those of commands that have a cluster of their own.
func clusterFlags(flags *flag.FlagSet, o *local.Options) {
	programFlags(flags, o)
	flags.StringVar(&o.Dir, "data", "", "`directory` for the cluster's data, on a real disk; a temporary one here if none is given")
	flags.StringVar(&o.Postgres, "postgres", "none", "as `headcount dev` takes it: none, auto or a URL")
}

// bound is what a flag's number may be.
type bound struct {
	flag            string
	value, min, max int
}

// within returns an error for the first number that is out of its bounds.
func within(bounds []bound) error {
	for _, b := range bounds {
		if b.value < b.min || b.value > b.max {
			return fmt.Errorf("--%s is %d: give %d to %d", b.flag, b.value, b.min, b.max)
		}
	}
	return nil
}

// seedOr draws a seed where none is given.
func seedOr(seed uint64) uint64 {
	for seed == 0 {
		seed = rand.Uint64()
	}
	return seed
}

func (o options) validate() error {
	if err := within([]bound{
		{"connections", o.connections, len(o.addresses), connectionsMax},
		{"segments", o.segments, 1, segmentsMax},
		{"users", o.users, 1, usersMax},
		{"bulk", o.bulk, 0, bulkMax},
		{"runs", o.runs, 1, runsMax},
	}); err != nil {
		return err
	}
	if o.duration < durationMin || o.duration > durationMax {
		return fmt.Errorf("--duration is %s: give %s to %s", o.duration, durationMin, durationMax)
	}
	for flag, rate := range map[string]float64{"rate": o.rate, "beside": o.beside} {
		if !(rate >= 0 && rate <= rateMax) {
			return fmt.Errorf("--%s is %v: give 0 to %d", flag, rate, rateMax)
		}
	}
	if o.beside > 0 && !o.counts {
		return fmt.Errorf("--beside writes while --counts reads: give both of them")
	}
	if !(o.reads >= 0 && o.reads < 1) {
		return fmt.Errorf("--reads is %v: give 0 to less than 1", o.reads)
	}
	if o.counts && o.reads > 0 {
		return fmt.Errorf("--counts reads nothing else: give it or --reads")
	}
	if o.counts && o.bulk > 0 {
		return fmt.Errorf("--counts reads and --bulk writes: give one of them")
	}
	if records := o.connections * o.bulk; records > recordsMax {
		return fmt.Errorf("--connections times --bulk is %d records in memory: give at most %d", records, recordsMax)
	}
	return nil
}

// side is the load of the writes beside the reads of the counts.
func (o options) side() options {
	o.counts, o.reads, o.rate = false, 0, o.beside
	o.connections = max(besideConnections, len(o.addresses))
	o.seed++ // or they would be the same in each run
	return o
}

// records of one request.
func (o options) records() int { return max(1, o.bulk) }

// addressesOf returns host:port of each URL of a list, separated by commas.
func addressesOf(urls string) (list []string, err error) {
	for base := range strings.SplitSeq(urls, ",") {
		address, err := addressOf(base)
		if err != nil {
			return nil, err
		}
		list = append(list, address)
	}
	return list, nil
}

// addressOf returns host:port of a base URL.
func addressOf(base string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(base))
	if err != nil || u.Scheme != "http" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return "", fmt.Errorf("--url: %q is no base URL: write it like http://127.0.0.1:8000", base)
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "80"), nil
	}
	return u.Host, nil
}
