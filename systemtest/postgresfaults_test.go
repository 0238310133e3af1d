package systemtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"headcount/pglocal"
	"headcount/pglocal/pgproxy"
)

// faultsWanted is how many faults TestPostgresFaults makes: a few rounds of all kinds.
func faultsWanted(t testing.TB) int {
	const name = "HEADCOUNT_SYSTEMTEST_FAULTS"
	given := os.Getenv(name)
	switch {
	case given == "" && raceBuild:
		return 7
	case given == "":
		return 21
	}
	faults, err := strconv.Atoi(given)
	if err != nil || faults < 1 {
		t.Fatalf("%s=%q: want a number from 1 up", name, given)
	}
	return faults
}

// flushBytesMin is what a flush of rows has at least, and nothing else that a node asks.
const flushBytesMin = 600

// TestPostgresFaults: whatever happens on the way to PostgreSQL, in the end its table has
// every acknowledged membership, row for row, and the cursor never went over the same
// entries twice.
func TestPostgresFaults(t *testing.T) {
	t.Parallel()
	wanted := faultsWanted(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("%d faults, seed %d", wanted, seed)
	f := newFaulty(t, rand.New(rand.NewPCG(seed, 0)))
	// Far more than half of the time it idles along, until the last fault is over.
	f.load = startLoad(t, bases(f.c.nodes), loadOptions{writers: 16, writes: 1000, perSecond: 10_000, bucketSeconds: 60, seed: seed})
	f.load.reach(1000)

	kinds := f.kinds()
	made := map[string]int{}
	for i := range wanted {
		if i%len(kinds) == 0 {
			f.rng.Shuffle(len(kinds), func(a, b int) { kinds[a], kinds[b] = kinds[b], kinds[a] })
		}
		kind := kinds[i%len(kinds)]
		began := time.Now()
		kind.happen()
		made[kind.name]++
		f.load.reach(f.load.acked.Load() + 200)
		t.Logf("fault %d of %d: %s, %v", i+1, wanted, kind.name, time.Since(began).Round(time.Millisecond))
	}
	result := f.load.finish()
	t.Logf("made: %v", made)
	f.c.waitReady(f.c.nodes...)
	verify(t, f.c.nodes, result.model, 60, f.database)
	f.verifyCursor()
}

// faulty is a cluster of one shard and its PostgreSQL, to which things happen. All nodes
// reach it through one proxy.
type faulty struct {
	t      *testing.T
	rng    *rand.Rand
	c      *cluster
	load   *load
	proxy  *pgproxy.Proxy
	server *pglocal.Server

	disk     string // where PostgreSQL lives; a file system of its own, if small
	small    bool
	port     int
	database string // URL past the proxy
}

// diskBytes is more than a table of the memberships of an hour takes, and than
// PostgreSQL's own log under the settings below.
const diskBytes = 1 << 30

func newFaulty(t *testing.T, rng *rand.Rand) *faulty {
	f := &faulty{t: t, rng: rng, disk: postgresDir(t), port: freePorts(t, 1)}
	// Only who may mount can have a disk that is full.
	if err := syscall.Mount("headcount-systemtest", f.disk, "tmpfs", 0, fmt.Sprintf("size=%d,mode=755", diskBytes)); err == nil {
		f.small = true
		t.Cleanup(func() {
			if err := syscall.Unmount(f.disk, syscall.MNT_DETACH); err != nil {
				t.Errorf("unmounting %s: %v", f.disk, err)
			}
		})
	} else {
		t.Logf("no disk will be full: mounting one: %v", err)
	}
	f.startPostgres()
	t.Cleanup(func() { f.server.Stop() }) // the last one started
	f.database = createDatabase(t, f.server.URL(), "systemtest")
	execute(t, f.database, "alter system set max_wal_size = '96MB'")
	execute(t, f.database, "alter system set min_wal_size = '32MB'")
	execute(t, f.database, "select pg_reload_conf()")

	through, err := url.Parse(f.database)
	if err != nil {
		t.Fatal(err)
	}
	f.proxy, err = pgproxy.Listen("127.0.0.1:0", through.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.proxy.Close)
	through.Host = f.proxy.Address()
	f.c = startCluster(t, settings{shards: 1, postgresURL: through.String()})
	eventually(t, 30*time.Second, "the tables", func() error { return tryExecute(f.database, cursorAudit) })
	return f
}

// cursorAudit keeps every move of the cursor, in the database that is set back with it.
const cursorAudit = `
CREATE TABLE cursor_audit (number bigserial, incarnation text, shard int, old bigint, new bigint);
CREATE FUNCTION cursor_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO cursor_audit (incarnation, shard, old, new) VALUES (NEW.incarnation, NEW.shard, OLD.index, NEW.index);
    RETURN NULL;
END $$;
CREATE TRIGGER cursor_audit AFTER UPDATE ON headcount_cursor FOR EACH ROW WHEN (OLD.index <> NEW.index) EXECUTE FUNCTION cursor_audit()`

func tryExecute(databaseURL, sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	connection, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer connection.Close(ctx)
	_, err = connection.Exec(ctx, sql)
	return err
}

// verifyCursor wants each move of the cursor to begin where the last one ended.
func (f *faulty) verifyCursor() {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	connection, err := pgx.Connect(ctx, f.database)
	if err != nil {
		f.t.Fatal(err)
	}
	defer connection.Close(ctx)
	var moves, wrong, refused int64
	err = connection.QueryRow(ctx, `
SELECT count(*), count(*) FILTER (WHERE new <= old OR old <> before), (SELECT count(*) FROM quarantine)
FROM (SELECT old, new, lag(new, 1, old) OVER (PARTITION BY incarnation, shard ORDER BY number) AS before FROM cursor_audit) AS moves`,
	).Scan(&moves, &wrong, &refused)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Logf("%d flushes", moves)
	if moves == 0 || wrong > 0 || refused > 0 {
		f.t.Errorf("%d moves of the cursor, of which %d do not go on where the last one ended; %d rows refused", moves, wrong, refused)
	}
	for _, n := range f.c.nodes {
		got, err := sendWithin(ctx, 10*time.Second, request{method: "GET", url: n.base + "/metrics"})
		if err != nil {
			f.t.Error(err)
		} else if body := string(got.body); strings.Contains(body, "headcount_postgres_gaps_total") && !strings.Contains(body, "headcount_postgres_gaps_total 0") {
			f.t.Errorf("%s reports a gap", n.id)
		}
	}
}

type faultKind struct {
	name   string
	happen func()
}

func (f *faulty) kinds() []faultKind {
	kinds := []faultKind{
		{"leader killed", f.killLeader},
		{"PostgreSQL killed", f.killPostgres},
		{"leader paused in its transaction", f.pauseInTransaction},
		{"connection cut before the commit", func() { f.cut(&pgproxy.Harm{BytesMin: flushBytesMin}) }},
		{"connection cut after the commit", func() { f.cut(&pgproxy.Harm{BytesMin: flushBytesMin, Answered: true}) }},
		{"PostgreSQL restored from a backup", f.restoreBackup},
	}
	if f.small {
		kinds = append(kinds, faultKind{"disk full", f.fillDisk})
	}
	return kinds
}

// moment is up to so long.
func (f *faulty) moment(most time.Duration) { time.Sleep(time.Duration(f.rng.Int64N(int64(most)))) }

func (f *faulty) killLeader() {
	leader := f.c.leaderOf(0)
	f.c.kill(leader)
	f.moment(3 * time.Second)
	f.c.start(leader)
	f.c.waitReady(leader)
}

func (f *faulty) postgresDir() string { return filepath.Join(f.disk, "postgres") }

func (f *faulty) startPostgres() { f.server = startPostgres(f.t, f.postgresDir(), f.port) }

func (f *faulty) killPostgres() {
	f.server.Kill()
	f.moment(2 * time.Second)
	f.startPostgres()
}

// pauseInTransaction stops the leader when PostgreSQL has the rows of a flush and has not
// heard of the commit; another one leads, and finds the cursor locked. Then the first goes
// on, before or after its commit does.
func (f *faulty) pauseInTransaction() {
	held, release := make(chan struct{}), make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	defer free() // or the proxy would wait for ever
	f.proxy.Arm(&pgproxy.Harm{BytesMin: flushBytesMin, Hold: func() { close(held); <-release }})
	f.within(20*time.Second, "a flush to hold", held)
	leader := f.c.leaderOf(0)
	f.c.pause(leader)
	eventually(f.t, 20*time.Second, "another leader", func() error {
		for _, n := range f.c.nodes {
			if n == leader {
				continue
			}
			view, err := getCluster(context.Background(), n.base)
			if err == nil && view.Shards[0].Leader != "" && view.Shards[0].Leader != leader.id {
				return nil
			}
		}
		return errors.New("there is none")
	})
	f.moment(2 * time.Second)
	if f.rng.IntN(2) == 0 {
		free()
		f.moment(time.Second)
	}
	f.c.resume(leader)
	f.moment(time.Second)
	free()
	f.c.waitReady(leader)
}

func (f *faulty) within(limit time.Duration, what string, happened <-chan struct{}) {
	f.t.Helper()
	select {
	case <-happened:
	case <-time.After(scaled(limit)):
		f.t.Fatalf("%s: not within %v", what, scaled(limit))
	}
}

func (f *faulty) cut(h *pgproxy.Harm) {
	before := f.proxy.Done()
	f.proxy.Arm(h)
	eventually(f.t, 20*time.Second, "a connection being cut", func() error {
		if f.proxy.Done() == before {
			return errors.New("none was")
		}
		return nil
	})
}

// restoreBackup sets PostgreSQL back by some seconds.
func (f *faulty) restoreBackup() {
	backup := filepath.Join(f.t.TempDir(), "backup")
	f.server.Stop()
	f.copy(f.postgresDir(), backup)
	f.startPostgres()
	f.load.reach(f.load.acked.Load() + f.rng.Int64N(3000))
	f.server.Stop()
	if err := os.RemoveAll(f.postgresDir()); err != nil {
		f.t.Fatal(err)
	}
	f.copy(backup, f.postgresDir())
	if err := os.RemoveAll(backup); err != nil {
		f.t.Fatal(err)
	}
	f.startPostgres()
}

// copy keeps owners and times: PostgreSQL's files may belong to another account.
func (f *faulty) copy(from, to string) {
	f.t.Helper()
	if said, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		f.t.Fatalf("cp: %v: %s", err, said)
	}
}

// fillDisk leaves PostgreSQL no room for a while. It may refuse rows, or panic and not
// come back by itself.
func (f *faulty) fillDisk() {
	ballast, err := os.Create(filepath.Join(f.disk, "ballast"))
	if err != nil {
		f.t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for err == nil {
		_, err = ballast.Write(block)
		if err != nil && len(block) > 4096 {
			block, err = block[:4096], nil // to the last page
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		f.t.Fatalf("filling the disk: %v", err)
	}
	f.moment(4 * time.Second)
	if err := errors.Join(ballast.Close(), os.Remove(ballast.Name())); err != nil {
		f.t.Fatal(err)
	}
	eventually(f.t, time.Minute, "PostgreSQL being there again", func() error {
		select {
		case <-f.server.Done():
			f.server.Stop() // gives the directory back
			f.startPostgres()
		default:
		}
		return tryExecute(f.database, "select 1")
	})
}
