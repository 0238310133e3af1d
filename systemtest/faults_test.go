package systemtest

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writesGoOn is the promise: with one node of three gone, no write waits longer.
const writesGoOn = 5 * time.Second

func TestLeaderKilled(t *testing.T) {
	database := newDatabase(t)
	c := startCluster(t, settings{postgresURL: database})
	load := startLoad(t, bases(c.nodes), usualLoad(t))

	load.reach(load.share(15))
	first := c.leaderOf(0)
	c.kill(first)
	load.reach(load.acked.Load() + load.share(15)) // without the node
	c.start(first)
	c.waitReady(first)

	second := anotherLeader(c, first)
	c.kill(second)
	load.reach(load.acked.Load() + load.share(15))
	c.start(second)
	c.waitReady(second)

	result := load.finish()
	result.mustNotWait(t, writesGoOn)
	verify(t, c.nodes, result.model, 60, database)
}

// anotherLeader returns a node that leads a shard and is not the given one, or,
// where a single node leads all shards, that node.
func anotherLeader(c *cluster, other *node) *node {
	c.t.Helper()
	for shard := c.shards() - 1; shard >= 0; shard-- {
		if leader := c.leaderOf(shard); leader != other {
			return leader
		}
	}
	return c.leaderOf(0)
}

func TestNodePaused(t *testing.T) {
	database := newDatabase(t)
	c := startCluster(t, settings{postgresURL: database})
	load := startLoad(t, bases(c.nodes), usualLoad(t))

	load.reach(load.share(20))
	paused := c.leaderOf(0)
	before := load.acked.Load()
	c.pause(paused)
	time.Sleep(10 * time.Second)
	c.resume(paused)
	if load.acked.Load() == before {
		t.Error("nothing was acknowledged while one node was stopped")
	}

	result := load.finish()
	// A writer first has to give up on the stopped node.
	result.mustNotWait(t, attemptTimeout+writesGoOn)
	c.waitReady(paused)
	verify(t, c.nodes, result.model, 60, database)
}

func TestPostgresDown(t *testing.T) {
	const outage = 20 * time.Second
	dir, port := filepath.Join(postgresDir(t), "postgres"), freePorts(t, 1)
	server := startPostgres(t, dir, port)
	t.Cleanup(func() { server.Stop() }) // the last one started
	database := createDatabase(t, server.URL(), "systemtest")
	c := startCluster(t, settings{postgresURL: database})
	load := startLoad(t, bases(c.nodes), usualLoad(t))

	load.reach(load.share(20))
	server.Kill()
	down := time.Now()
	t.Log("PostgreSQL is down")
	load.reach(load.acked.Load() + load.share(20))
	eventually(t, 5*time.Second, "writes gathering in the outbox", func() error { return outboxGrew(c) })
	time.Sleep(time.Until(down.Add(outage)))
	server = startPostgres(t, dir, port)
	t.Log("PostgreSQL is up")

	result := load.finish()
	result.mustNotWait(t, writesGoOn)
	verify(t, c.nodes, result.model, 60, database)
}

// PostgreSQL loses what it had committed last, as by failing over to a standby that was
// behind, while writes go on: it gets all of it again.
func TestPostgresSetBack(t *testing.T) {
	database := newDatabase(t)
	c := startCluster(t, settings{postgresURL: database})
	load := startLoad(t, bases(c.nodes), lightLoad(t))

	load.reach(load.share(20))
	execute(t, database, `
		begin isolation level repeatable read;
		create table old_users as table users;
		create table old_cursor as table headcount_cursor;
		commit`)
	load.reach(load.share(60))
	execute(t, database, `
		begin;
		lock table users, headcount_cursor in access exclusive mode;
		delete from users; insert into users table old_users;
		delete from headcount_cursor; insert into headcount_cursor table old_cursor;
		commit`)

	result := load.finish()
	result.mustNotWait(t, writesGoOn)
	eventually(t, time.Minute, "PostgreSQL having everything again", func() error {
		table, err := readTable(context.Background(), database)
		if err != nil {
			return err
		}
		return sameMap(table, result.model)
	})
	verify(t, c.nodes, result.model, 60, database)
	for _, n := range c.nodes {
		if got, err := sendWithin(context.Background(), 10*time.Second, request{method: "GET", url: n.base + "/metrics"}); err != nil {
			t.Error(err)
		} else if strings.Contains(string(got.body), "headcount_postgres_gaps_total") && !strings.Contains(string(got.body), "headcount_postgres_gaps_total 0") {
			t.Errorf("%s reports a gap", n.id)
		}
	}
}

// outboxGrew wants more rows waiting than a flush takes when PostgreSQL is up.
func outboxGrew(c *cluster) error {
	view, err := getCluster(context.Background(), c.nodes[0].base)
	if err != nil {
		return err
	}
	var rows int64
	for _, shard := range view.Shards {
		rows += shard.OutboxRows
	}
	if rows < 100 {
		return fmt.Errorf("%d rows are in the outbox", rows)
	}
	return nil
}

func TestWholeClusterKilled(t *testing.T) {
	database := newDatabase(t)
	c := startCluster(t, settings{postgresURL: database})
	load := startLoad(t, bases(c.nodes), usualLoad(t))

	load.reach(load.share(40))
	c.kill(c.nodes...)
	c.startAll()
	c.waitReady(c.nodes...)

	result := load.finish()
	verify(t, c.nodes, result.model, 60, database)
}

// TestReadyMeansCaughtUp is what a rolling restart goes by: once a node that was
// away says it is ready, it has what was acknowledged without it, and the next
// node may go.
func TestReadyMeansCaughtUp(t *testing.T) {
	c := startCluster(t, settings{})
	away := c.nodes[2]
	c.kill(away)
	options := lightLoad(t)
	options.perSecond = 400 // 10 s: by then a leader rarely tries to reach a dead node
	result := startLoad(t, bases(c.nodes[:2]), options).finish()

	c.start(away)
	began := time.Now()
	c.waitReady(away)
	if err := compareCounts(away, result.model); err != nil {
		t.Errorf("%s became ready after %v, but: %v", away.id, time.Since(began), err)
	}

	c.kill(c.nodes[0])
	killed := time.Now()
	for i := range 20 { // some for each shard
		r := record{membership{fmt.Sprintf("after-%d", i), segments[0]}, time.Now().Add(time.Hour).Unix()}
		mustWriteEventually(t, c.nodes[1], r)
		result.model.write(r)
	}
	if waited := time.Since(killed); waited > scaled(writesGoOn) {
		t.Errorf("writes to every shard took %v after the next node was killed, want at most %v", waited, scaled(writesGoOn))
	}
	verify(t, []*node{c.nodes[1], away}, result.model, 60, "")
}

// TestQuietMix has no fault, so every reply of the mix is certain.
func TestQuietMix(t *testing.T) {
	database := newDatabase(t)
	c := startCluster(t, settings{postgresURL: database})
	options := usualLoad(t)
	options.writes, options.perSecond = min(options.writes, 10_000), 5000
	load := startLoad(t, bases(c.nodes), options)

	result := load.finish()
	if result.mismatches > 0 {
		t.Errorf("%d writes were answered with another status than the model's: %s", result.mismatches, result.firstOdd)
	}
	if result.unknowns+result.repeats > 0 {
		t.Errorf("%d attempts had no outcome and %d were not applied, with every node up", result.unknowns, result.repeats)
	}
	verify(t, c.nodes, result.model, 60, database)

	// And an unchanged model after a clean stop of every node.
	for _, n := range c.nodes {
		if err := n.stop(); err != nil {
			t.Error(err)
		}
	}
	c.startAll()
	c.waitReady(c.nodes...)
	verify(t, c.nodes, result.model, 60, database)
}
