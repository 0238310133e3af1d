package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"headcount/client"
)

// Nodes is how many a cluster has.
const Nodes = 3

const (
	startTimeout  = time.Minute
	stopTimeout   = 30 * time.Second
	statusTimeout = 2 * time.Second
	lookEvery     = 20 * time.Millisecond
)

// Options of a cluster.
type Options struct {
	Headcount string // the program; "": it is built from this module
	Dir       string // for its data, which stays; "": a temporary one, which goes with the cluster
	Port      int    // the first node's; up to Port+30 are used
	Postgres  string // what `headcount dev --postgres` takes: none, auto or a URL
}

// Cluster is a running cluster. Its methods may be called from any goroutine; Stop once.
type Cluster struct {
	options Options
	scratch string // a directory that goes with the cluster; "": none
	dev     *Process
	read    chan struct{} // closed when all is read that dev prints

	mu struct {
		sync.Mutex
		pids  map[string]int
		lines []string // the last ones that dev printed
	}
}

// linesMax is how many of dev's last lines are kept, to be told with an error.
const linesMax = 20

// Start starts a cluster and returns when its nodes are ready.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	c := &Cluster{options: o, read: make(chan struct{})}
	c.mu.pids = map[string]int{}
	if err := c.prepare(ctx); err != nil {
		return nil, errors.Join(err, c.sweep())
	}
	ready, err := c.start()
	if err != nil {
		return nil, errors.Join(err, c.sweep())
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	select {
	case <-ready:
		return c, nil
	case <-c.read:
		return nil, errors.Join(c.failed("it ended"), c.Stop())
	case <-ctx.Done():
		return nil, errors.Join(c.failed("it was not ready in time"), ctx.Err(), c.Stop())
	}
}

// prepare makes what a cluster needs: a directory and the program.
func (c *Cluster) prepare(ctx context.Context) (err error) {
	if c.options.Dir != "" && c.options.Headcount != "" {
		return nil
	}
	// Not where the system keeps what is temporary: that may be memory, and a log in
	// memory is no log.
	if c.scratch, err = os.MkdirTemp(".", "bench-cluster-"); err != nil {
		return fmt.Errorf("a directory for the cluster: %w", err)
	}
	if c.scratch, err = filepath.Abs(c.scratch); err != nil {
		return err
	}
	if c.options.Dir == "" {
		c.options.Dir = filepath.Join(c.scratch, "data")
	}
	if c.options.Headcount == "" {
		c.options.Headcount = filepath.Join(c.scratch, "headcount")
		if err := Build(ctx, c.options.Headcount); err != nil {
			return err
		}
	}
	return nil
}

// Build builds this module's program to a file.
func Build(ctx context.Context, file string) error {
	said, err := exec.CommandContext(ctx, "go", "build", "-o", file, "headcount").CombinedOutput()
	if err != nil {
		return fmt.Errorf("building headcount (--headcount names a built one): %w: %s", err, said)
	}
	return nil
}

// start starts dev; ready is closed when all nodes are.
func (c *Cluster) start() (ready chan struct{}, err error) {
	command := exec.Command(c.options.Headcount, "dev",
		"--port", strconv.Itoa(c.options.Port), "--data", c.options.Dir, "--postgres", c.options.Postgres)
	// A pipe of the system's: what dev printed last is read also after it was killed.
	out, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("a pipe from the cluster: %w", err)
	}
	command.Stdout, command.Stderr = in, in
	c.dev, err = StartProcess(command)
	in.Close() // dev has it too
	if err != nil {
		out.Close()
		return nil, err
	}
	ready = make(chan struct{})
	go func() {
		c.follow(out, ready)
		out.Close()
		close(c.read)
	}()
	return ready, nil
}

// follow reads what dev prints until it ends.
func (c *Cluster) follow(out io.Reader, ready chan struct{}) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		words := strings.Fields(lines.Text())
		c.mu.Lock()
		if c.mu.lines = append(c.mu.lines, lines.Text()); len(c.mu.lines) > linesMax {
			c.mu.lines = c.mu.lines[1:]
		}
		// node ID pid NUMBER URL
		if len(words) == 5 && words[0] == "node" && words[2] == "pid" {
			c.mu.pids[words[1]], _ = strconv.Atoi(words[3])
		}
		// node ID ended (HOW): …
		if len(words) > 2 && words[0] == "node" && words[2] == "ended" {
			delete(c.mu.pids, words[1]) // another process may get it
		}
		c.mu.Unlock()
		if len(words) > 0 && words[0] == "ready" {
			close(ready)
		}
	}
}

// failed is an error with dev's last words.
func (c *Cluster) failed(what string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Errorf("the cluster did not start: %s:\n%s", what, strings.Join(c.mu.lines, "\n"))
}

// Pid is the number of the process that started all others.
func (c *Cluster) Pid() int { return c.dev.Pid() }

// Pids are those of the nodes that run.
func (c *Cluster) Pids() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.mu.pids))
}

// Dirs are where the nodes keep their data.
func (c *Cluster) Dirs() (list []string) {
	for i := range Nodes {
		list = append(list, filepath.Join(c.options.Dir, "n"+strconv.Itoa(i+1)))
	}
	return list
}

// Addresses are where the nodes take requests: host:port.
func (c *Cluster) Addresses() (list []string) {
	for i := range Nodes {
		list = append(list, "127.0.0.1:"+strconv.Itoa(c.options.Port+i))
	}
	return list
}

// URLs of the nodes.
func (c *Cluster) URLs() (list []string) {
	for _, address := range c.Addresses() {
		list = append(list, "http://"+address)
	}
	return list
}

// Signal sends a signal to a node's process.
func (c *Cluster) Signal(node string, signal syscall.Signal) error {
	c.mu.Lock()
	pid := c.mu.pids[node]
	c.mu.Unlock()
	if pid == 0 {
		return fmt.Errorf("node %q has no process", node)
	}
	if err := syscall.Kill(pid, signal); err != nil {
		return fmt.Errorf("sending %v to node %s (pid %d): %w", signal, node, pid, err)
	}
	return nil
}

// AwaitSteady waits until all nodes are ready and agree on who leads the first shard,
// and have done so for as long as given. It returns the leader.
func (c *Cluster) AwaitSteady(ctx context.Context, long time.Duration) (leader string, err error) {
	clients := make([]*client.Client, Nodes)
	for i, url := range c.URLs() {
		if clients[i], err = client.New(client.Options{AttemptTimeout: statusTimeout}, url); err != nil {
			return "", err
		}
		defer clients[i].Close()
	}
	since := time.Now()
	for {
		now, err := agreed(ctx, clients)
		if err != nil || now != leader {
			leader, since = now, time.Now()
		}
		if leader != "" && time.Since(since) >= long {
			return leader, nil
		}
		select {
		case <-time.After(lookEvery):
		case <-c.dev.Ended():
			return "", c.failed("it ended")
		case <-ctx.Done():
			return "", fmt.Errorf("waiting until the cluster is steady: %w (last: %w)", ctx.Err(), err)
		}
	}
}

// agreed is the leader in which all nodes agree, if all are ready.
func agreed(ctx context.Context, clients []*client.Client) (leader string, err error) {
	for i, node := range clients {
		if err := node.Ready(ctx); err != nil {
			return "", err
		}
		status, err := node.Cluster(ctx)
		if err != nil {
			return "", err
		}
		if len(status.Shards) == 0 || i > 0 && status.Shards[0].Leader != leader {
			return "", errors.New("the nodes do not agree on the leader")
		}
		leader = status.Shards[0].Leader
	}
	return leader, nil
}

// Stop ends all processes, and removes what is temporary.
func (c *Cluster) Stop() error {
	// It may have ended already. A node that is paused would not end in time.
	c.mu.Lock()
	for _, pid := range c.mu.pids {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	c.mu.Unlock()
	err := c.dev.Stop(stopTimeout)
	<-c.read // its nodes end with it
	return errors.Join(err, c.sweep())
}

func (c *Cluster) sweep() error {
	if c.scratch == "" {
		return nil
	}
	return os.RemoveAll(c.scratch)
}
