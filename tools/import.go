package tools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
	"unicode/utf8"

	"headcount/client"
)

const (
	importRecordsMax   = 10_000 // of a request
	importRetriesMax   = 1_000  // of a request: a cluster that is away, or whose outbox is full, for hours
	importRefusedShown = 20
)

// ImportOptions says what [Import] reads, and where it posts it.
type ImportOptions struct {
	URL     string // of a node, or of several, separated by commas
	From    Source
	State   string    // path of the state file, for this source and cluster alone; "": none
	Refused string    // path of a file that takes all records that were refused, an object a line; "": none
	Out     io.Writer // takes the progress bar, if it is a terminal, and the last lines
}

// Import posts the memberships of a source, 10,000 a request and one request after the
// other, and waits while the cluster refuses them for the time being.
//
// It may be ended at any moment and begun again: the later expiry wins, so that what is
// posted twice changes nothing. With a state file, it goes on about where it ended, and
// may tell again of some records that are refused; without one, it begins at the beginning.
//
// A record that is refused does not stop it: it is counted, and told of, and the error at
// the end says how many there were.
func Import(ctx context.Context, o ImportOptions) (err error) {
	headcount, err := dial(o.URL, client.Options{RetriesMax: importRetriesMax})
	if err != nil {
		return err
	}
	defer headcount.Close()
	file := stateFile{path: o.State}
	cluster := ""
	if o.State != "" {
		status, err := headcount.Cluster(ctx)
		if err != nil {
			return err
		}
		cluster = status.Cluster.Incarnation
	}
	state, err := file.read(o.From.Name(), cluster)
	if err != nil {
		return err
	}
	if state.Mark == "" {
		state.Records, state.Refused = 0, 0 // it was of a source that is read from the beginning
	} else {
		fmt.Fprintf(o.Out, "going on after %d records, as %s says\n", state.Records, o.State)
	}
	m := &importer{o: o, headcount: headcount, file: file, state: state, refused: state.Refused}
	if o.Refused != "" {
		if m.refusals, err = openRefusals(o.Refused, state.Mark != ""); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, m.refusals.Close()) }()
	}
	m.bar = newProgress(o.Out, "importing", max(-1, o.From.Estimate(ctx)-state.Records))
	began := time.Now()
	err = o.From.Read(ctx, state.Mark, func(f Found) error { return m.take(ctx, f) })
	if err == nil {
		err = m.flush(ctx)
	}
	m.bar.clear()
	m.report(time.Since(began))
	if err != nil {
		err = errors.Join(err, m.file.save(m.state))
		return fmt.Errorf("%w (begin the import again: what is there already is not counted twice)", err)
	}
	if err := m.file.remove(); err != nil {
		return err
	}
	if m.refused > 0 {
		return fmt.Errorf("%d records were refused; all others are there", m.refused)
	}
	return nil
}

// openRefusals opens the file for refused records: behind those that are in it, if the
// import goes on.
func openRefusals(path string, goesOn bool) (*os.File, error) {
	how := os.O_TRUNC
	if goesOn {
		how = os.O_APPEND
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|how, 0o666)
	if err != nil {
		return nil, fmt.Errorf("opening the file for refused records: %w", err)
	}
	return file, nil
}

// importer is one import under way. It is used by one goroutine.
type importer struct {
	o         ImportOptions
	headcount *client.Client
	file      stateFile
	state     importState
	bar       progress
	refusals  *os.File // nil: none

	batch    []Found
	problems int64 // records since the last batch that are not worth posting
	total    client.BulkResult
	read     int64 // records, refused ones included
	refused  int64 // by this import, and by those that it goes on with
}

func (m *importer) take(ctx context.Context, f Found) error {
	if f.Problem == "" && !(utf8.ValidString(f.ID) && utf8.ValidString(f.Segment)) {
		f.Problem = problemNotUTF8
	}
	if f.Problem != "" {
		m.read++
		m.problems++
		m.bar.add(1)
		return m.refuse(f, f.Problem)
	}
	if m.batch = append(m.batch, f); len(m.batch) < importRecordsMax {
		return nil
	}
	return m.flush(ctx)
}

// flush posts the batch.
func (m *importer) flush(ctx context.Context) error {
	if len(m.batch) == 0 {
		return nil
	}
	result, err := m.put(ctx, m.batch)
	if err != nil {
		return err
	}
	m.total.Created += result.Created
	m.total.Renewed += result.Renewed
	m.total.Unchanged += result.Unchanged
	m.total.Expired += result.Expired
	if err := m.refuseAll(ctx, m.batch, result); err != nil {
		return err
	}
	n := int64(len(m.batch))
	m.read += n
	m.state.Records += n + m.problems
	m.problems = 0
	m.state.Refused = m.refused
	m.state.Mark = m.batch[n-1].Mark
	m.bar.add(int(n))
	m.batch = m.batch[:0]
	return m.file.write(m.state)
}

func (m *importer) put(ctx context.Context, batch []Found) (client.BulkResult, error) {
	return m.headcount.PutAll(ctx, func(yield func(client.Membership) bool) {
		for _, f := range batch {
			if !yield(f.Membership) {
				return
			}
		}
	})
}

// refuseAll tells of the records of a batch that the cluster has rejected. It names a
// hundred of a request: a batch with more is posted again in halves, which changes
// nothing else.
func (m *importer) refuseAll(ctx context.Context, batch []Found, result client.BulkResult) error {
	if result.Rejected > int64(len(result.Rejections)) {
		for half := range slices.Chunk(batch, (len(batch)+1)/2) {
			result, err := m.put(ctx, half)
			if err != nil {
				return err
			}
			if err := m.refuseAll(ctx, half, result); err != nil {
				return err
			}
		}
		return nil
	}
	for _, r := range result.Rejections {
		if r.Record < 1 || r.Record > int64(len(batch)) {
			return fmt.Errorf("the cluster rejects record %d of %d", r.Record, len(batch))
		}
		if err := m.refuse(batch[r.Record-1], r.Reason); err != nil {
			return err
		}
	}
	return nil
}

// refuse tells of one record.
func (m *importer) refuse(f Found, why string) error {
	if m.refused++; m.refused <= importRefusedShown {
		m.bar.clear()
		fmt.Fprintf(m.o.Out, "refused: %s: ID %q, segment %q: %s\n", f.Place, f.ID, f.Segment, why)
	}
	if m.refusals == nil {
		return nil
	}
	line, err := json.Marshal(struct {
		Place  string `json:"place"`
		Reason string `json:"reason"`
		client.Membership
	}{f.Place, why, f.Membership})
	if err == nil {
		_, err = m.refusals.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("writing what was refused: %w", err)
	}
	return nil
}

func (m *importer) report(took time.Duration) {
	fmt.Fprintf(m.o.Out, "imported %d records in %s (%.0f/s): %d created, %d renewed, %d unchanged, %d expired, %d refused\n",
		m.read, took.Round(time.Millisecond), float64(m.read)/took.Seconds(),
		m.total.Created, m.total.Renewed, m.total.Unchanged, m.total.Expired, m.refused)
	if m.refused > importRefusedShown && m.refusals == nil {
		fmt.Fprintf(m.o.Out, "%d refused records are not shown: --refused FILE takes all of them\n", m.refused-importRefusedShown)
	}
}
