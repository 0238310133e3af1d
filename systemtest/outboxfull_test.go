package systemtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestOutboxFull: PostgreSQL is away until the outbox is full. Then writes are refused at
// once, with a word on when to come again, and not applied; reads go on; and when it is
// back, so are writes, and everything acknowledged is there, and nothing that was refused.
func TestOutboxFull(t *testing.T) {
	t.Parallel()
	const (
		outboxBytesMax = 256 << 10
		entryCostMax   = 1 << 20 // of the last entry, which may pass the limit: what 256 KiB of log cost in memory
		fullFor        = 3 * time.Second
	)
	dir, port := filepath.Join(postgresDir(t), "postgres"), freePorts(t, 1)
	server := startPostgres(t, dir, port)
	t.Cleanup(func() { server.Stop() }) // the last one started
	database := createDatabase(t, server.URL(), "systemtest")
	c := startCluster(t, settings{
		shards: 1, postgresURL: database,
		postgres: map[string]string{"outbox_bytes_max": strconv.Itoa(outboxBytesMax)},
	})
	// Far more than fit into the outbox.
	load := startLoad(t, bases(c.nodes), loadOptions{writers: 16, writes: 20_000, perSecond: 5000, bucketSeconds: 60, seed: uint64(time.Now().UnixNano())})
	load.reach(load.share(10))
	server.Kill()

	acked := model{} // of the probes
	probes := 0
	refusedBy := func(n *node) error {
		probes++
		r := record{membership{fmt.Sprintf("probe-%d", probes), segments[0]}, time.Now().Add(time.Hour).Unix()}
		got, err := send(context.Background(), postOf(n, r))
		switch {
		case err != nil:
			t.Fatalf("%s: %v", n.id, err)
		case got.status < 300:
			acked.write(r)
			return errors.New("it takes writes")
		case got.status != http.StatusServiceUnavailable || !strings.Contains(string(got.body), "outbox-full"):
			t.Fatalf("%s: %v, want 503 outbox-full", n.id, got)
		}
		if after, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || after < 1 {
			t.Errorf("%s refuses with Retry-After %q", n.id, got.header.Get("Retry-After"))
		}
		return nil
	}
	eventually(t, 30*time.Second, "the outbox being full", func() error { return refusedBy(c.nodes[0]) })
	time.Sleep(200 * time.Millisecond) // what was acknowledged just before is counted
	before := load.acked.Load()
	for until := time.Now().Add(fullFor); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		for _, n := range c.nodes {
			if err := refusedBy(n); err != nil {
				t.Errorf("%s, with a full outbox: %v", n.id, err)
			}
			view, err := getCluster(context.Background(), n.base)
			if err != nil {
				t.Fatal(err)
			}
			if bytes := view.Shards[0].OutboxBytes; bytes > outboxBytesMax+entryCostMax {
				t.Errorf("%s has %d bytes in the outbox, and may have %d and an entry", n.id, bytes, outboxBytesMax)
			}
			if got, err := send(context.Background(), request{method: http.MethodGet, url: n.base + "/segments/count?consistency=linearizable"}); err != nil || got.status != http.StatusOK {
				t.Errorf("reading at %s: %v, %v", n.id, got, err)
			}
		}
	}
	if after := load.acked.Load(); after != before {
		t.Errorf("%d writes were acknowledged with a full outbox", after-before)
	}
	server = startPostgres(t, dir, port)

	result := load.finish()
	if result.unknowns > 0 || result.mismatches > 0 {
		t.Errorf("%d attempts of unknown outcome, %d odd statuses: %s", result.unknowns, result.mismatches, result.firstOdd)
	}
	for key, expiry := range acked {
		result.model.write(record{key, expiry})
	}
	verify(t, c.nodes, result.model, 60, database)
}
