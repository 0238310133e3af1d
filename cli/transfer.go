package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"headcount/tools"
)

const nodeURLDefault = "http://127.0.0.1:8000"

// dsnFlag defines --dsn.
func dsnFlag(f *flag.FlagSet, what string) *string {
	return f.String("dsn", os.Getenv(postgresURLVariable), what+" (default: $"+postgresURLVariable+")")
}

func needDSN(dsn string) error {
	if dsn == "" {
		return wrongUsage("no PostgreSQL: give --dsn, or set %s", postgresURLVariable)
	}
	return nil
}

// zone defines --timezone on f and returns what reads it.
func zone(f *flag.FlagSet) func() (*time.Location, error) {
	name := f.String("timezone", "UTC", "time `zone` of expiries without an offset, such as Europe/Berlin")
	return func() (*time.Location, error) {
		at, err := time.LoadLocation(*name)
		if err != nil || *name == "Local" {
			return nil, wrongUsage("--timezone %q is no time zone: write it like Europe/Berlin", *name)
		}
		return at, nil
	}
}

func importUsers(ctx context.Context, args []string, out, errs io.Writer) error {
	f := flag.NewFlagSet("import", flag.ContinueOnError)
	from := f.String("from", "", "`what` to read: postgres, ndjson or csv; the latter two take a FILE, - for standard input")
	o := tools.ImportOptions{Out: out}
	f.StringVar(&o.URL, "url", nodeURLDefault, "a node's `URL`, or several separated by commas")
	f.StringVar(&o.State, "state", "", "`file` that keeps how far the import is, so that it goes on there when it is begun again")
	f.StringVar(&o.Refused, "refused", "", "`file` that takes the records that were refused, and why")
	dsn := dsnFlag(f, "with --from postgres: PostgreSQL's `URL`")
	query := f.String("query", "", "with --from postgres: `SQL` that gives ID, segment and expiry (default: the table users, by ID)")
	columns := f.String("columns", strings.Join(tools.DefaultColumns[:], ","), "with --from csv: the `names` of the columns with ID, segment and expiry")
	inZone := zone(f)
	path, err := fileOf(f, args, errs)
	if err != nil {
		return err
	}
	at, err := inZone()
	if err != nil {
		return err
	}
	if *from == "postgres" {
		if len(path) > 0 {
			return wrongUsage("unexpected %q: --from postgres reads no file", path[0])
		}
		if err := needDSN(*dsn); err != nil {
			return err
		}
		o.From = &tools.Table{DSN: *dsn, Query: *query, Zone: at}
	} else {
		file, err := openInput(*from, path)
		if err != nil {
			return err
		}
		defer file.Close()
		if o.From, err = fileSource(*from, file, *columns, at); err != nil {
			return err
		}
	}
	return tools.Import(ctx, o)
}

// fileOf parses flags and returns the one argument that is none, which may stand before
// the flags or after them.
func fileOf(f *flag.FlagSet, args []string, errs io.Writer) (path []string, err error) {
	f.SetOutput(errs)
	for len(args) > 0 {
		if args[0] != "-" && strings.HasPrefix(args[0], "-") {
			if err := f.Parse(args); err != nil {
				if errors.Is(err, flag.ErrHelp) {
					return nil, err
				}
				return nil, wrongUsage("%v", err)
			}
			args = f.Args()
			continue
		}
		path, args = append(path, args[0]), args[1:]
	}
	if len(path) > 1 {
		return nil, wrongUsage("one file at a time: %s", strings.Join(path, ", "))
	}
	return path, nil
}

func openInput(from string, path []string) (*os.File, error) {
	switch {
	case from != "ndjson" && from != "csv":
		return nil, wrongUsage("--from %q: say postgres, ndjson or csv", from)
	case len(path) == 0:
		return nil, wrongUsage("no file: name one, or - for standard input")
	case path[0] == "-":
		return os.Stdin, nil
	}
	return os.Open(path[0])
}

// nameOf names what is in a file: another one under the same path has another name.
func nameOf(file *os.File) string {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return file.Name()
	}
	return fmt.Sprintf("%s (%d bytes, changed %s)", file.Name(), info.Size(), info.ModTime().UTC().Format(time.RFC3339Nano))
}

func fileSource(from string, file *os.File, columns string, at *time.Location) (tools.Source, error) {
	if from == "ndjson" {
		return &tools.Lines{From: file, Path: nameOf(file), Zone: at}, nil
	}
	c := &tools.CSV{From: file, Path: nameOf(file), Zone: at}
	names := strings.Split(columns, ",")
	if len(names) != len(c.Columns) {
		return nil, wrongUsage("--columns %q: name three, separated by commas", columns)
	}
	copy(c.Columns[:], names)
	return c, nil
}

func export(ctx context.Context, args []string, out, errs io.Writer) (err error) {
	f := flag.NewFlagSet("export", flag.ContinueOnError)
	o := tools.ExportOptions{Out: errs, To: out}
	dsn := dsnFlag(f, "`URL` of the PostgreSQL that the cluster copies its users to")
	format := f.String("format", "ndjson", "ndjson or csv")
	path := f.String("to", "", "`file` to write (default: standard output)")
	f.BoolVar(&o.All, "all", false, "memberships that have expired too")
	if err := parse(f, args, errs); err != nil {
		return err
	}
	if err := needDSN(*dsn); err != nil {
		return err
	}
	if *format != "ndjson" && *format != "csv" {
		return wrongUsage("--format %q: say ndjson or csv", *format)
	}
	if *path != "" {
		to, err := os.Create(*path)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, to.Close()) }()
		o.To = to
	}
	o.DSN, o.CSV = *dsn, *format == "csv"
	return tools.Export(ctx, o)
}

func verify(ctx context.Context, args []string, out, errs io.Writer) error {
	f := flag.NewFlagSet("verify", flag.ContinueOnError)
	o := tools.VerifyOptions{Out: out}
	f.StringVar(&o.URL, "url", nodeURLDefault, "a node's `URL`, or several separated by commas")
	dsn := dsnFlag(f, "`URL` of the PostgreSQL with the table users: the cluster's copy, or what was imported")
	f.DurationVar(&o.Wait, "wait", time.Minute, "how long PostgreSQL may take to catch up, and segments to stand still")
	inZone := zone(f)
	if err := parse(f, args, errs); err != nil {
		return err
	}
	if err := needDSN(*dsn); err != nil {
		return err
	}
	at, err := inZone()
	if err != nil {
		return err
	}
	o.DSN, o.Zone = *dsn, at
	if err = tools.Verify(ctx, o); err != nil && !errors.Is(err, tools.ErrDifferent) {
		err = &undecided{err}
	}
	return err
}

// undecided is why a question has got no answer.
type undecided struct{ error }

func (e *undecided) Unwrap() error { return e.error }
