package tools

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// The memberships that [Export] reads from the copy in PostgreSQL.
const (
	exportLive = `SELECT id, segment, expired_segment FROM users WHERE expired_segment > now() ORDER BY id, segment`
	exportAll  = `SELECT id, segment, expired_segment FROM users ORDER BY id, segment`
)

// ExportOptions says what [Export] writes.
type ExportOptions struct {
	DSN string    // of the database that the cluster copies its users to
	All bool      // expired memberships too
	CSV bool      // instead of NDJSON
	To  io.Writer // takes the memberships
	Out io.Writer // takes the last line
}

// Export writes the memberships of a cluster, as [Import] reads them: from the copy in
// PostgreSQL, since a cluster's memory has no IDs. They are those of one moment, when the
// copy had all that it had; what the cluster still had in its outbox is not among them.
func Export(ctx context.Context, o ExportOptions) error {
	began := time.Now()
	to := bufio.NewWriterSize(o.To, 1<<16)
	write := writeLines(to)
	if o.CSV {
		var err error
		if write, err = writeCSV(to); err != nil {
			return fmt.Errorf("exporting: %w", err)
		}
	}
	from := &Table{DSN: o.DSN, Query: exportLive, Zone: time.UTC}
	if o.All {
		from.Query = exportAll
	}
	n := 0
	err := from.Read(ctx, "", func(f Found) error {
		if f.Problem != "" {
			return fmt.Errorf("%s: %s", f.Place, f.Problem)
		}
		n++
		return write(f)
	})
	if err := errors.Join(err, to.Flush()); err != nil {
		return fmt.Errorf("exporting: %w", err)
	}
	fmt.Fprintf(o.Out, "exported %d memberships in %s\n", n, time.Since(began).Round(time.Millisecond))
	return nil
}

func writeLines(to io.Writer) func(Found) error {
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	return func(f Found) error { return encoder.Encode(f.Membership) }
}

// writeCSV writes the head at once: without memberships, it is all there is.
func writeCSV(to io.Writer) (func(Found) error, error) {
	w := csv.NewWriter(to)
	write := func(fields ...string) error {
		if err := w.Write(fields); err != nil {
			return err
		}
		w.Flush() // into to, which gathers
		return w.Error()
	}
	return func(f Found) error {
		return write(f.ID, f.Segment, strconv.FormatInt(int64(f.Expiry), 10))
	}, write(DefaultColumns[:]...)
}
