package tools

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"headcount/client"
)

const statusTimeout = 10 * time.Second

// Status writes the cluster as the first node that answers sees it: nodes, shards,
// the drain and PostgreSQL, as aligned tables.
func Status(ctx context.Context, url string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	headcount, err := dial(url, client.Options{})
	if err != nil {
		return err
	}
	defer headcount.Close()
	status, err := headcount.Cluster(ctx)
	if err != nil {
		return err
	}

	// Whole tables or none: a broken pipe is the only error, and it is reported once.
	var page bytes.Buffer
	writeCluster(&page, status)
	writeNodes(&page, status.Nodes)
	writeShards(&page, status.Shards)
	writeTick(&page, status.Tick)
	writePostgres(&page, status)
	if _, err := out.Write(page.Bytes()); err != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	return nil
}

func writeCluster(out io.Writer, status client.ClusterStatus) {
	c := status.Cluster
	fmt.Fprintf(out, "cluster %s (incarnation %s): %d shards, buckets of %s, led by %s; answered by %s\n",
		c.Name, c.Incarnation, c.Shards, time.Duration(c.BucketWidthSeconds)*time.Second, orNone(c.Leader), status.AnsweredBy)
}

func writeNodes(out io.Writer, nodes []client.NodeStatus) {
	table(out, "NODE\tSTATE\tALIVE\tHTTP\tPEER\tGOSSIP\tCLOCK", func(row func(...any)) {
		for _, n := range nodes {
			row(n.ID, n.State, yesNo(n.Alive), n.HTTP, n.Peer, n.Gossip, fmt.Sprintf("%+.0f ms", n.ClockOffsetMs))
		}
	})
}

// writeTick tells of the drain in one line.
func writeTick(out io.Writer, tick client.TickStatus) {
	fmt.Fprintf(out, "\ndrain: schedule %q in %s, last %s, next %s\n",
		tick.Schedule, tick.TimeZone, instant(tick.Last), instant(tick.Next))
}

// writePostgres tells of PostgreSQL and of what waits for it in one line.
func writePostgres(out io.Writer, status client.ClusterStatus) {
	var rows, bytes int64
	var oldestSeconds float64
	for _, shard := range status.Shards {
		rows += shard.OutboxRows
		bytes += shard.OutboxBytes
		oldestSeconds = max(oldestSeconds, shard.OutboxOldestSeconds)
	}
	state := "reachable"
	switch p := status.Postgres; {
	case !p.Configured:
		state = "not configured"
	case !p.Reachable:
		state = "NOT reachable"
	}
	fmt.Fprintf(out, "postgres: %s, %d rows flushed, %d quarantined; outbox %d rows, %d bytes, oldest %s\n",
		state, status.Postgres.RowsFlushed, status.Postgres.Quarantined, rows, bytes, seconds(oldestSeconds))
	if status.Postgres.LastError != "" {
		fmt.Fprintf(out, "postgres: last error: %s\n", status.Postgres.LastError)
	}
}

// table writes an empty line, the head and the rows, with aligned columns.
func table(out io.Writer, head string, rows func(row func(cells ...any))) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\n%s\n", head)
	rows(func(cells ...any) {
		for i, cell := range cells {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, cell)
		}
		fmt.Fprintln(w)
	})
	w.Flush()
}

func instant(s client.UnixSeconds) string {
	if s == 0 {
		return "never"
	}
	return s.Time().Format("2006-01-02 15:04:05Z")
}

func seconds(s float64) string { return strconv.FormatFloat(s, 'f', 1, 64) + " s" }

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "NO"
}

func orNone(id string) string {
	if id == "" {
		return "NOBODY"
	}
	return id
}
