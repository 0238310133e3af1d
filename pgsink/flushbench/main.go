package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"headcount/pglocal"
	"headcount/pgsink"
)

const sliceEntries = 200_000 / entryRows

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "flushbench:", err)
		os.Exit(2)
	}
	if err := run(ctx, o, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "flushbench:", err)
		os.Exit(1)
	}
}

// options of a run.
type options struct {
	rows     int
	only     string // names that begin so; "": all
	dir      string
	jsonPath string
	seed     uint64
}

func parse(args []string, errs io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("flushbench", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.IntVar(&o.rows, "rows", 5_000_000, "rows into the empty table, and again as many into the full one")
	flags.StringVar(&o.only, "only", "", "measure the sink and only these `methods`, separated by commas, by the beginnings of their names")
	flags.StringVar(&o.dir, "dir", ".", "`directory` for PostgreSQL's data, which goes in the end: give it a real disk")
	flags.StringVar(&o.jsonPath, "json", "", "write the figures to this `file` too")
	flags.Uint64Var(&o.seed, "seed", 0, "makes the same rows again; 0: new ones")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	if o.rows < sliceEntries*entryRows || o.rows > 100_000_000 {
		return o, fmt.Errorf("--rows is %d: give %d to 100000000", o.rows, sliceEntries*entryRows)
	}
	for o.seed == 0 {
		o.seed = rand.Uint64()
	}
	return o, nil
}

// contender is a method with what it has been measured at.
type contender struct {
	name   string
	make   func(ctx context.Context, url string, s *source) (method, error)
	method method
	url    string
	took   [2]time.Duration // into the empty table, and into the full one
}

func contenders() []*contender {
	byHand := func(rows, connections int, write func(context.Context, *pgx.Conn, []pgsink.Row) error) func(context.Context, string, *source) (method, error) {
		return func(ctx context.Context, url string, s *source) (method, error) {
			return newHand(ctx, url, s, rows, connections, write)
		}
	}
	sinkOf := func(rows int) func(context.Context, string, *source) (method, error) {
		return func(_ context.Context, url string, s *source) (method, error) { return newSinkMethod(url, s, rows) }
	}
	return []*contender{
		{name: "sink", make: sinkOf(0)}, // as it comes
		{name: "sink 50", make: sinkOf(50_000)},
		{name: "sink 100", make: sinkOf(100_000)},
		{name: "unnest 20", make: byHand(20_000, 1, unnest)},
		{name: "unnest 100", make: byHand(100_000, 1, unnest)},
		{name: "unnest 20 ×2", make: byHand(20_000, 2, unnest)},
		{name: "copy 20", make: byHand(20_000, 1, copyIn)},
		{name: "copy 100", make: byHand(100_000, 1, copyIn)},
		{name: "pipeline 2", make: byHand(2_000, 1, pipeline)},
	}
}

func run(ctx context.Context, o options, out, errs io.Writer) (err error) {
	scratch, err := os.MkdirTemp(o.dir, "flushbench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	if err := os.Chmod(scratch, 0o755); err != nil { // PostgreSQL runs as another user
		return err
	}
	server, err := pglocal.Start(ctx, pglocal.Options{Dir: filepath.Join(scratch, "postgres"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer server.Stop()
	entries := uint64(o.rows / entryRows)
	s := newSource(o.seed, uint64(o.rows))
	list := slices.DeleteFunc(contenders(), func(c *contender) bool { return !o.measures(c.name) })
	for i, c := range list {
		if c.url, err = database(ctx, server.URL(), fmt.Sprintf("bench_%d", i)); err != nil {
			return err
		}
		if c.method, err = c.make(ctx, c.url, s); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		defer func() { err = errors.Join(err, c.method.close()) }()
	}
	if err := measure(ctx, list, entries, errs); err != nil {
		return err
	}
	if err := equal(ctx, list); err != nil {
		return err
	}
	return print(out, o, list, float64(entries*entryRows))
}

func (o options) measures(name string) bool {
	if o.only == "" || name == "sink" {
		return true
	}
	return slices.ContainsFunc(strings.Split(o.only, ","), func(begin string) bool { return strings.HasPrefix(name, begin) })
}

// database makes a database with the product's schema.
func database(ctx context.Context, server, name string) (string, error) {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return "", err
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	u.Path = name
	return u.String(), pgsink.MigrateUp(ctx, u.String())
}

// measure has the methods take turns, slice by slice.
func measure(ctx context.Context, list []*contender, entries uint64, errs io.Writer) error {
	for round := range 2 {
		for at := uint64(0); at < entries; at += sliceEntries {
			from := uint64(round)*entries + at
			to := uint64(round)*entries + min(at+sliceEntries, entries)
			for _, c := range list {
				began := time.Now()
				if err := c.method.put(ctx, from, to); err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
				c.took[round] += time.Since(began)
			}
			fmt.Fprintf(errs, "\r%d rows of %d\x1b[K", to*entryRows, 2*entries*entryRows)
		}
	}
	fmt.Fprint(errs, "\r\x1b[K")
	return nil
}

// equal makes sure that all tables are the same, row for row.
func equal(ctx context.Context, list []*contender) error {
	first := ""
	for _, c := range list {
		conn, err := pgx.Connect(ctx, c.url)
		if err != nil {
			return err
		}
		var sum string
		err = conn.QueryRow(ctx, `SELECT count(*) || ' rows, sum ' || coalesce(sum(hashtextextended(id || ' ' || segment || ' ' || extract(epoch FROM expired_segment), 0)::numeric), 0) FROM users`).Scan(&sum)
		_ = conn.Close(context.Background())
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if first = cmp.Or(first, sum); sum != first {
			return fmt.Errorf("%s has %s, where %s has %s", c.name, sum, list[0].name, first)
		}
	}
	return nil
}

// figures of one method.
type figures struct {
	Name     string  `json:"name"`
	Empty    float64 `json:"emptyRowsPerSecond"`
	Full     float64 `json:"fullRowsPerSecond"`
	Ratio    float64 `json:"sinkToThisEmpty"` // of the sink's rate to this one's
	FullRate float64 `json:"sinkToThisFull"`
}

func print(out io.Writer, o options, list []*contender, rows float64) error {
	var all []figures
	for _, c := range list {
		all = append(all, figures{
			Name: c.name, Empty: rows / c.took[0].Seconds(), Full: rows / c.took[1].Seconds(),
			Ratio: float64(c.took[0]) / float64(list[0].took[0]), FullRate: float64(c.took[1]) / float64(list[0].took[1]),
		})
	}
	fmt.Fprintf(out, "%d rows into an empty table, and %d more into the full one; slices of %d by turns, seed %d\n\n",
		o.rows, o.rows, sliceEntries*entryRows, o.seed)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "method\tempty: rows/s\tsink to it\tfull: rows/s\tsink to it\t")
	for _, f := range all {
		fmt.Fprintf(table, "%s\t%.0f\t%.2f\t%.0f\t%.2f\t\n", f.Name, f.Empty, f.Ratio, f.Full, f.FullRate)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if o.jsonPath == "" {
		return nil
	}
	document, err := json.MarshalIndent(map[string]any{"rows": o.rows, "seed": o.seed, "methods": all}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.jsonPath, append(document, '\n'), 0o644)
}
