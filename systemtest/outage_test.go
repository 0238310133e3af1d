package systemtest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// outage is how long and how hard TestOutage is: by default a short form, in which
// memory has next to nothing for the outbox.
type outage struct {
	takes     time.Duration
	perSecond int // writes
	users     int
	growth    int64 // of a node's memory, in bytes, at most; 0: not compared
	postgres  map[string]string
	raft      map[string]string
}

func outageWanted(t testing.TB) outage {
	const name = "HEADCOUNT_SYSTEMTEST_OUTAGE"
	given := os.Getenv(name)
	if given == "" {
		return outage{
			takes: 15 * time.Second, perSecond: 3000, users: 5000,
			postgres: map[string]string{"outbox_memory_bytes": "64KiB"},
			raft:     map[string]string{"snapshot_bytes": "64KiB", "trailing_bytes": "64KiB"},
		}
	}
	takes, err := time.ParseDuration(given)
	if err != nil || takes < 30*time.Second {
		t.Fatalf("%s=%q: want a duration of 30s at least", name, given)
	}
	return outage{takes: takes, perSecond: 20_000, users: 1_000_000, growth: 256 << 20}
}

const (
	outageWriters = 32
	outageBody    = 20 // records of a request
)

// TestOutage: PostgreSQL is away while writes go on, a leader is killed twice and a node
// is replaced by another, which gets everything that waits for PostgreSQL in a snapshot.
// When PostgreSQL is back, its table has every acknowledged membership, row for row.
func TestOutage(t *testing.T) {
	o := outageWanted(t)
	dir, port := filepath.Join(postgresDir(t), "postgres"), freePorts(t, 1)
	server := startPostgres(t, dir, port)
	t.Cleanup(func() { server.Stop() }) // the last one started
	database := createDatabase(t, server.URL(), "systemtest")
	c := startCluster(t, settings{postgresURL: database, postgres: o.postgres, raft: o.raft, logLevel: "debug"})

	r := newRenewals(t, c, o)
	r.round() // everybody is there before anything is measured
	waitDrained(t, c.nodes)
	before := residentBytes(t, c.nodes)
	if len(before) < len(c.nodes) {
		t.Fatalf("the memory of %d of %d nodes is known", len(before), len(c.nodes))
	}
	server.Kill()
	began := time.Now()
	r.start()

	most := map[string]int64{} // memory, by node
	at := func(percent time.Duration) {
		for until := began.Add(o.takes * percent / 100); time.Now().Before(until); time.Sleep(250 * time.Millisecond) {
			for id, size := range residentBytes(t, c.running()) {
				most[id] = max(most[id], size)
			}
		}
	}
	at(20)
	c.restart(c.leaderOf(0))
	at(40)
	c.restart(c.leaderOf(c.shards() - 1))
	at(60)
	gone, joined := c.nodes[2], c.addNode()
	c.start(joined, "--join", c.nodes[0].peer)
	c.waitReady(joined)
	waitFullReplica(t, joined)
	wantInstalled(t, joined, c.shards())
	r.use(c.nodes[0], c.nodes[1], joined)
	change(t, c.nodes[0], "leave", map[string]string{"id": gone.id})
	remaining := []*node{c.nodes[0], c.nodes[1], joined}
	waitGone(t, remaining, gone.id)
	c.endNode(gone)
	at(100)
	writes, slowest := r.stop()
	wantSpooled(t, remaining)
	rows := waiting(t, remaining)
	t.Logf("%d writes in %s, the slowest request took %s; %d rows wait for PostgreSQL", writes, o.takes, slowest.Round(time.Millisecond), rows)
	for _, n := range c.nodes {
		grown := most[n.id] - before[n.id]
		t.Logf("%s: %d MiB resident at most, %d before", n.id, most[n.id]>>20, before[n.id]>>20)
		if o.growth > 0 && n != joined && grown > o.growth {
			t.Errorf("%s has grown by %d MiB, more than %d", n.id, grown>>20, o.growth>>20)
		}
	}

	server = startPostgres(t, dir, port)
	back := time.Now()
	waitDrained(t, remaining)
	took := time.Since(back)
	t.Logf("drained in %s: %.0f rows/s", took.Round(time.Millisecond), float64(rows)/took.Seconds())
	verify(t, remaining, r.model(), 60, database)
}

// restart kills a node as a power cut does, and starts it again after a moment.
func (c *cluster) restart(n *node) {
	c.t.Helper()
	c.kill(n)
	time.Sleep(2 * time.Second)
	c.start(n)
	c.waitReady(n)
}

var outboxGauge = regexp.MustCompile(`headcount_shard_outbox_(bytes|memory_bytes)\{[^}]*\} (\d+)`)

// wantSpooled wants every node to have less of the outbox in memory than there is.
func wantSpooled(t *testing.T, nodes []*node) {
	t.Helper()
	for _, n := range nodes {
		got, err := send(context.Background(), request{method: http.MethodGet, url: n.base + "/metrics"})
		if err != nil {
			t.Fatal(err)
		}
		sizes := map[string]int64{}
		for _, found := range outboxGauge.FindAllSubmatch(got.body, -1) {
			size, err := strconv.ParseInt(string(found[2]), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			sizes[string(found[1])] += size
		}
		t.Logf("%s: %d KiB of %d KiB of the outbox are in memory", n.id, sizes["memory_bytes"]>>10, sizes["bytes"]>>10)
		if sizes["bytes"] == 0 || sizes["memory_bytes"] >= sizes["bytes"] {
			t.Errorf("%s has spooled nothing", n.id)
		}
	}
}

// waiting returns how many rows wait for PostgreSQL.
func waiting(t *testing.T, nodes []*node) (rows int64) {
	t.Helper()
	view, err := getCluster(context.Background(), nodes[0].base)
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range view.Shards {
		rows += shard.OutboxRows
	}
	return rows
}

// waitDrained waits until no row waits for PostgreSQL, by any node's account.
func waitDrained(t *testing.T, nodes []*node) {
	t.Helper()
	eventually(t, 20*time.Minute, "PostgreSQL having everything", func() error {
		for _, n := range nodes {
			view, err := getCluster(context.Background(), n.base)
			if err != nil {
				return err
			}
			for _, shard := range view.Shards {
				if shard.OutboxRows > 0 || shard.Leader == "" {
					return fmt.Errorf("%s: %d rows of shard %d wait, led by %q", n.id, shard.OutboxRows, shard.Shard, shard.Leader)
				}
			}
		}
		return nil
	})
}

// residentBytes returns the memory of running nodes, by ID.
func residentBytes(t testing.TB, nodes []*node) map[string]int64 {
	sizes := map[string]int64{}
	for _, n := range nodes {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", n.process.cmd.Process.Pid))
		if err != nil {
			continue // it ended just now
		}
		pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
		if err != nil {
			t.Errorf("statm of %s: %v", n.id, err)
		}
		sizes[n.id] = pages * int64(os.Getpagesize())
	}
	return sizes
}

// renewals write the same users again and again, each time with a later expiry, so
// that every write is news and memberships do not grow. Each user has one writer.
type renewals struct {
	t       *testing.T
	o       outage
	nodes   atomic.Pointer[[]*node]
	writers []*renewer
	pace    time.Duration // from one request of a writer to the next

	writing sync.WaitGroup
	end     chan struct{}
}

type renewer struct {
	*renewals
	number  int
	first   int     // its users are this one and
	expiry  []int64 // so many
	clock   int64   // the last expiry given, Unix seconds
	random  *rand.Rand
	writes  int
	slowest time.Duration
}

func newRenewals(t *testing.T, c *cluster, o outage) *renewals {
	r := &renewals{t: t, o: o, end: make(chan struct{})}
	r.use(c.nodes...)
	t.Cleanup(r.writing.Wait) // they end once the test has failed
	r.pace = time.Second * outageWriters * outageBody / time.Duration(o.perSecond)
	each := o.users / outageWriters
	for i := range outageWriters {
		r.writers = append(r.writers, &renewer{
			renewals: r, number: i, first: i * each, expiry: make([]int64, each),
			clock:  time.Now().Add(24 * time.Hour).Unix(),
			random: rand.New(rand.NewPCG(uint64(i), 0)),
		})
	}
	return r
}

// use has the writers write to these nodes.
func (r *renewals) use(nodes ...*node) {
	nodes = append([]*node(nil), nodes...)
	r.nodes.Store(&nodes)
}

// round writes every user once.
func (r *renewals) round() {
	var writing sync.WaitGroup
	for _, w := range r.writers {
		writing.Go(func() {
			for from := 0; from < len(w.expiry) && !r.t.Failed(); from += 10 * outageBody {
				var users []int
				for user := from; user < min(from+10*outageBody, len(w.expiry)); user++ {
					users = append(users, user)
				}
				w.write(users)
			}
		})
	}
	writing.Wait()
}

// start begins to write random users at the pace wanted.
func (r *renewals) start() {
	began := time.Now()
	for _, w := range r.writers {
		w.writes, w.slowest = 0, 0
		r.writing.Go(func() {
			users := make([]int, outageBody)
			due := began.Add(r.pace * time.Duration(w.number) / outageWriters)
			for ; !r.t.Failed(); due = due.Add(r.pace) {
				select {
				case <-time.After(time.Until(due)):
				case <-r.end:
					return
				}
				for i := range users {
					users[i] = w.random.IntN(len(w.expiry))
				}
				w.write(users)
			}
		})
	}
}

// stop ends the writing and returns what came of it.
func (r *renewals) stop() (writes int, slowest time.Duration) {
	close(r.end)
	r.writing.Wait()
	for _, w := range r.writers {
		writes += w.writes
		slowest = max(slowest, w.slowest)
	}
	return writes, slowest
}

// write renews users until that is acknowledged: doing it twice changes nothing.
func (w *renewer) write(users []int) {
	w.clock++
	var body bytes.Buffer
	for _, user := range users {
		key := w.key(user)
		fmt.Fprintf(&body, "{\"ID\":%q,\"segment\":%q,\"expiredSegment\":%d}\n", key.id, key.segment, w.clock)
		w.expiry[user] = w.clock
	}
	began := time.Now()
	for attempt := w.number; ; attempt++ {
		nodes := *w.nodes.Load()
		got, err := send(context.Background(), request{
			method: http.MethodPost, url: nodes[attempt%len(nodes)].base + "/users",
			contentType: "application/x-ndjson", body: body.Bytes(),
		})
		if err == nil && got.status < 300 {
			break
		}
		if err == nil && got.status != http.StatusServiceUnavailable && got.status != http.StatusGatewayTimeout {
			w.t.Errorf("a write: %v", got)
			return
		}
		if time.Since(began) > time.Minute {
			w.t.Errorf("a write is not acknowledged after a minute: %v, %v", got, err)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.writes += len(users)
	w.slowest = max(w.slowest, time.Since(began))
}

func (w *renewer) key(user int) membership {
	number := w.first + user
	return membership{fmt.Sprintf("user-%07d", number), fmt.Sprintf("segment-%d", number%300)}
}

// model is what was acknowledged.
func (r *renewals) model() model {
	m := model{}
	for _, w := range r.writers {
		for user, expiry := range w.expiry {
			m.write(record{w.key(user), expiry})
		}
	}
	return m
}
