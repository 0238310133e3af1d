package systemtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// settings are what a test may want different in cluster.yml; the zero value is
// the command's own defaults, without PostgreSQL.
type settings struct {
	shards       int    // 0: two, so that leaders are spread and bodies are split
	bucketWidth  string // Go duration
	tickSchedule string
	postgresURL  string
	postgres     map[string]string // further keys of its section
	raft         map[string]string // further keys of the raft section
	logLevel     string
}

// node is one member of a cluster file, and the process that runs it, if any.
type node struct {
	id, peer, gossip string
	base             string // http://host:port
	http             string // host:port
	data, log        string // paths
	process          *process
}

// cluster is real processes on ports and files of their own.
type cluster struct {
	t        testing.TB
	dir      string
	settings settings
	nodes    []*node
}

// newCluster lays out n nodes, n1 and so on, and starts none.
func newCluster(t testing.TB, n int, s settings) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir(), settings: s}
	for range n {
		c.addNode()
	}
	return c
}

// startCluster starts three nodes and waits until all are ready.
func startCluster(t testing.TB, s settings) *cluster {
	t.Helper()
	c := newCluster(t, 3, s)
	c.startAll()
	c.waitReady(c.nodes...)
	return c
}

// addNode lays out one more node, for cluster files written from now on.
func (c *cluster) addNode() *node {
	c.t.Helper()
	first := freePorts(c.t, 3)
	id := fmt.Sprintf("n%d", len(c.nodes)+1)
	n := &node{
		id: id, http: loopback(first), base: "http://" + loopback(first),
		peer: loopback(first + 1), gossip: loopback(first + 2),
		data: filepath.Join(c.dir, id), log: filepath.Join(c.t.ArtifactDir(), fmt.Sprintf("%s-%d.log", id, first)),
	}
	c.nodes = append(c.nodes, n)
	c.t.Cleanup(func() { c.endNode(n) })
	return n
}

// endNode ends a node with its test: cleanly, if nothing has failed yet.
func (c *cluster) endNode(n *node) {
	if n.process != nil && n.process.running() {
		n.process.signal(syscall.SIGCONT)
		if c.t.Failed() {
			n.process.kill()
		} else if err := n.stop(); err != nil {
			c.t.Error(err)
		}
	}
	reportLog(c.t, n.id, n.log)
}

// stop ends a node as an operator does, and reports anything but a clean exit.
func (n *node) stop() error { return n.process.stop(syscall.SIGTERM, scaled(20*time.Second)) }

// writeFile writes the cluster file that lists the given nodes.
func (c *cluster) writeFile(nodes []*node) string {
	c.t.Helper()
	var y strings.Builder
	fmt.Fprintf(&y, "cluster:\n  name: systemtest\n  shards: %d\n", cmp.Or(c.settings.shards, 2))
	if c.settings.bucketWidth != "" {
		fmt.Fprintf(&y, "  bucket_width: %s\n", c.settings.bucketWidth)
	}
	fmt.Fprintf(&y, "nodes:\n")
	for _, n := range nodes {
		fmt.Fprintf(&y, "  - id: %s\n    http: %q\n    peer: %q\n    gossip: %q\n    data: %q\n", n.id, n.http, n.peer, n.gossip, n.data)
	}
	if c.settings.tickSchedule != "" {
		fmt.Fprintf(&y, "tick:\n  schedule: %q\n", c.settings.tickSchedule)
	}
	if c.settings.postgresURL != "" {
		fmt.Fprintf(&y, "postgres:\n  url: %q\n", c.settings.postgresURL)
		for key, value := range c.settings.postgres {
			fmt.Fprintf(&y, "  %s: %s\n", key, value)
		}
	}
	if len(c.settings.raft) > 0 {
		fmt.Fprintf(&y, "raft:\n")
		for key, value := range c.settings.raft {
			fmt.Fprintf(&y, "  %s: %s\n", key, value)
		}
	}
	if c.settings.logLevel != "" {
		fmt.Fprintf(&y, "log:\n  level: %s\n", c.settings.logLevel)
	}
	path := filepath.Join(c.dir, fmt.Sprintf("cluster-of-%d.yml", len(nodes)))
	// As a whole: a node that was started a moment ago may be reading it.
	written := path + ".new"
	if err := errors.Join(os.WriteFile(written, []byte(y.String()), 0o644), os.Rename(written, path)); err != nil {
		c.t.Fatalf("writing the cluster file: %v", err)
	}
	return path
}

// start runs a node with a file that lists the cluster's nodes up to it, and
// further arguments.
func (c *cluster) start(n *node, args ...string) {
	c.t.Helper()
	if n.process != nil && n.process.running() {
		c.t.Fatalf("%s runs already", n.id)
	}
	args = append([]string{"serve", "--config", c.writeFile(c.nodes), "--node", n.id}, args...)
	n.process = startProcess(c.t, n.id, n.log, n.log, args...)
}

func (c *cluster) startAll() {
	c.t.Helper()
	for _, n := range c.nodes {
		c.start(n)
	}
}

// kill ends a node as a power cut does, without a word to the node.
func (c *cluster) kill(nodes ...*node) {
	c.t.Helper()
	for _, n := range nodes {
		c.t.Logf("SIGKILL to %s", n.id)
		n.process.signal(syscall.SIGKILL)
	}
	for _, n := range nodes {
		<-n.process.done
	}
}

func (c *cluster) pause(n *node) {
	c.t.Logf("SIGSTOP to %s", n.id)
	n.process.signal(syscall.SIGSTOP)
}

func (c *cluster) resume(n *node) {
	c.t.Logf("SIGCONT to %s", n.id)
	n.process.signal(syscall.SIGCONT)
}

// waitReady waits until each node answers /readyz with 200.
func (c *cluster) waitReady(nodes ...*node) {
	c.t.Helper()
	for _, n := range nodes {
		eventually(c.t, 40*time.Second, n.id+" becoming ready", func() error {
			if !n.process.running() {
				c.t.Fatalf("%s ended before it was ready: %v", n.id, n.process.err)
			}
			return ready(n)
		})
	}
}

// ready says why a node is not ready.
func ready(n *node) error {
	got, err := send(context.Background(), request{method: http.MethodGet, url: n.base + "/readyz"})
	if err != nil {
		return err
	}
	if got.status != http.StatusOK {
		return errors.New(got.String())
	}
	return nil
}

// leaderOf asks the running nodes for the leader of a shard, until one of them
// names a running node.
func (c *cluster) leaderOf(shard int) *node {
	c.t.Helper()
	var leader *node
	eventually(c.t, 20*time.Second, fmt.Sprintf("finding the leader of shard %d", shard), func() error {
		for _, n := range c.running() {
			view, err := getCluster(context.Background(), n.base)
			if err != nil {
				return err
			}
			for _, s := range view.Shards {
				if s.Shard == shard && s.Leader != "" {
					leader = c.byID(s.Leader)
				}
			}
			if leader != nil && leader.process.running() {
				return nil
			}
		}
		return errors.New("no running node is named")
	})
	return leader
}

// shards returns how many shards the cluster has.
func (c *cluster) shards() int {
	c.t.Helper()
	view, err := getCluster(context.Background(), c.running()[0].base)
	if err != nil {
		c.t.Fatal(err)
	}
	if len(view.Shards) == 0 {
		c.t.Fatal("GET /cluster lists no shard")
	}
	return len(view.Shards)
}

func (c *cluster) byID(id string) *node {
	for _, n := range c.nodes {
		if n.id == id {
			return n
		}
	}
	return nil
}

func (c *cluster) running() []*node {
	var running []*node
	for _, n := range c.nodes {
		if n.process != nil && n.process.running() {
			running = append(running, n)
		}
	}
	return running
}

// bases returns the URLs of nodes, for a load.
func bases(nodes []*node) []string {
	var urls []string
	for _, n := range nodes {
		urls = append(urls, n.base)
	}
	return urls
}
