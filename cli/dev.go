package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"headcount/config"
	"headcount/pglocal"
)

const (
	devNodes = 3
	// The ports of dev, above --port: HTTP at +0…, peers at +10…, gossip at +20…,
	// PostgreSQL at +30.
	devPeerPorts    = 10
	devGossipPorts  = 20
	devPostgresPort = 30

	restartAfter = 2 * time.Second // a node that died unasked starts again
	stopTimeout  = 15 * time.Second
	readyEvery   = 100 * time.Millisecond
)

// dev runs a local cluster until ctx ends.
func dev(ctx context.Context, args []string, out, errs io.Writer) error {
	f := flag.NewFlagSet("dev", flag.ContinueOnError)
	port := f.Int("port", 8000, "the first node's HTTP `port`; every other port moves with it")
	data := f.String("data", "./data", "`directory` for everything the cluster keeps")
	postgres := f.String("postgres", "auto", "auto: $"+postgresURLVariable+" if set, else a private server if its programs are installed; none; or a `URL`")
	tick := f.String("tick", "0 0 * * *", "the tick's `schedule`, cron syntax or \"@every 30s\"")
	shards := f.Int("shards", config.Default().Cluster.Shards, "`shards` of a cluster that is born now: 1 to 64")
	if err := parse(f, args, errs); err != nil {
		return err
	}
	if *shards < 1 || *shards > 64 {
		return wrongUsage("--shards %d: give 1 to 64", *shards)
	}
	if *port < 1 || *port+devPostgresPort > 65535 {
		return wrongUsage("--port %d: give one from 1 to %d", *port, 65535-devPostgresPort)
	}
	dir, err := filepath.Abs(*data)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("the data directory: %w", err)
	}
	d := &devCluster{port: *port, dir: dir, out: &lineWriter{w: out}}
	if err := d.portsFree(); err != nil {
		return err
	}
	if err := os.WriteFile(d.configPath(), d.config(*tick, *shards), 0o644); err != nil {
		return fmt.Errorf("the cluster's configuration: %w", err)
	}
	stop, err := d.startPostgres(ctx, *postgres)
	if err != nil {
		return err
	}
	defer stop()
	return d.run(ctx)
}

// devCluster is a local cluster: processes of this program.
type devCluster struct {
	port     int
	dir      string
	postgres string // URL, "" for none
	out      *lineWriter
}

// lineWriter keeps lines of several goroutines apart.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lineWriter) printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.w, format+"\n", args...)
}

func (d *devCluster) configPath() string      { return filepath.Join(d.dir, "cluster.yml") }
func (d *devCluster) address(port int) string { return fmt.Sprintf("127.0.0.1:%d", d.port+port) }
func (d *devCluster) url(i int) string        { return "http://" + d.address(i) }

// config writes a configuration for the ports and the directory of this cluster.
// Everything else is at its default.
func (d *devCluster) config(tick string, shards int) []byte {
	var b strings.Builder
	b.WriteString("# Written by headcount dev at every start.\n")
	fmt.Fprintf(&b, "cluster:\n  name: headcount-dev\n  shards: %d\ntick:\n  schedule: %q\nnodes:\n", shards, tick)
	for i := range devNodes {
		fmt.Fprintf(&b, "  - id: n%d\n    http: %s\n    peer: %s\n    gossip: %s\n    data: %q\n", i+1,
			d.address(i), d.address(devPeerPorts+i), d.address(devGossipPorts+i), filepath.Join(d.dir, fmt.Sprintf("n%d", i+1)))
	}
	return []byte(b.String())
}

// portsFree finds out before anything starts whether another program, or another
// dev, has one of the ports.
func (d *devCluster) portsFree() error {
	for _, base := range []int{0, devPeerPorts, devGossipPorts} {
		for i := range devNodes {
			ln, err := net.Listen("tcp", d.address(base+i))
			if err != nil {
				return fmt.Errorf("%w: is another one running? --port moves all ports", err)
			}
			if err := ln.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

// startPostgres decides where users are copied to, and starts a private server if
// that is the place. stop ends what it started.
func (d *devCluster) startPostgres(ctx context.Context, choice string) (stop func(), err error) {
	nothing := func() {}
	given := os.Getenv(postgresURLVariable)
	switch {
	case choice == "none":
		d.out.printf("postgres none: users are not copied anywhere")
		return nothing, nil
	case choice != "auto":
		d.postgres = choice
	case given != "":
		d.postgres = given
	default:
		if _, ok := pglocal.Find(); !ok {
			d.out.printf("postgres none: users are not copied anywhere, as PostgreSQL's server programs are not installed (apt-get install postgresql) and %s is not set", postgresURLVariable)
			return nothing, nil
		}
		options := pglocal.Options{
			Dir: filepath.Join(d.dir, "postgres"), Port: d.port + devPostgresPort,
			Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		}
		server, err := pglocal.Start(ctx, options)
		if err != nil {
			return nil, fmt.Errorf("a private PostgreSQL (--postgres none does without): %w", err)
		}
		d.postgres = server.URL()
		d.out.printf("postgres %s", d.postgres)
		return d.keepPostgres(server, options), nil
	}
	d.out.printf("postgres %s", d.postgres)
	return nothing, nil
}

// run runs the nodes until ctx ends.
func (d *devCluster) run(ctx context.Context) error {
	errs := make([]error, devNodes)
	var nodes sync.WaitGroup
	// A node that cannot be started at all ends the others too.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for i := range devNodes {
		nodes.Go(func() {
			errs[i] = d.supervise(ctx, i)
			cancel()
		})
	}
	if d.awaitReady(ctx) {
		d.out.printf("ready %s %s %s (logs: %s)", d.url(0), d.url(1), d.url(2), filepath.Join(d.dir, "n*", "node.log"))
	}
	nodes.Wait()
	return errors.Join(errs...)
}

// awaitReady waits until all nodes say that they are ready.
func (d *devCluster) awaitReady(ctx context.Context) bool {
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	for i := range devNodes {
		for !isReady(ctx, client, d.url(i)) {
			select {
			case <-time.After(readyEvery):
			case <-ctx.Done():
				return false
			}
		}
	}
	return true
}

func isReady(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return false
	}
	reply, err := client.Do(request)
	if err != nil {
		return false
	}
	defer reply.Body.Close()
	return reply.StatusCode == http.StatusOK
}
