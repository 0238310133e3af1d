package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2

	exitUnknown = 2 // of verify: it could not compare
)

// command is one subcommand.
type command struct {
	name    string
	summary string
	run     func(ctx context.Context, args []string, out, errs io.Writer) error
}

func commands() []command {
	return []command{
		{"serve", "run one node of a cluster", serve},
		{"dev", "run a local cluster of three nodes, each a process, with PostgreSQL", dev},
		{"seed", "post random users", seed},
		{"status", "print the cluster as a table", status},
		{"import", "post the memberships of a PostgreSQL table or a file", importUsers},
		{"export", "write the memberships of the copy in PostgreSQL to a file", export},
		{"verify", "compare the counts with PostgreSQL's: exit status 0 equal, 1 different, 2 unknown", verify},
		{"migrate", "move PostgreSQL's schema: migrate up, migrate down", migrate},
		{"healthcheck", "ask a URL and exit 0 if it answers 200", healthcheck},
		{"version", "print the version", version},
	}
}

// Main runs the command with args (without the program's name) and returns its exit
// status. It returns soon after ctx ends.
func Main(ctx context.Context, args []string, out, errs io.Writer) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage(out)
		return exitOK
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		err := c.run(ctx, args[1:], out, errs)
		var wrong *usageError
		var unknown *undecided
		switch {
		case err == nil || errors.Is(err, flag.ErrHelp):
			return exitOK
		case errors.As(err, &wrong):
			complain(errs, c.name, err)
			return exitUsage
		case errors.As(err, &unknown):
			complain(errs, c.name, err)
			return exitUnknown
		default:
			complain(errs, c.name, err)
			return exitFailed
		}
	}
	fmt.Fprintf(errs, "headcount: there is no command %q\n\n", args[0])
	usage(errs)
	return exitUsage
}

// complain writes an error in one line, whatever it is made of.
func complain(w io.Writer, command string, err error) {
	text := strings.ReplaceAll(err.Error(), "\n\t", " ")
	fmt.Fprintf(w, "headcount %s: %s\n", command, strings.ReplaceAll(text, "\n", "; "))
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Headcount counts how many users are in each segment.\n\nusage: headcount COMMAND [flags]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-12s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nheadcount COMMAND -h lists a command's flags.\n")
}

// usageError is a wrong call.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func wrongUsage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// parse parses flags and refuses anything left over.
func parse(f *flag.FlagSet, args []string, errs io.Writer) error {
	f.SetOutput(errs)
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return wrongUsage("%v", err)
	}
	if f.NArg() > 0 {
		return wrongUsage("unexpected %q", strings.Join(f.Args(), " "))
	}
	return nil
}

func version(_ context.Context, args []string, out, errs io.Writer) error {
	if err := parse(flag.NewFlagSet("version", flag.ContinueOnError), args, errs); err != nil {
		return err
	}
	v := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		v = info.Main.Version
	}
	_, err := fmt.Fprintln(out, "headcount", v)
	return err
}
