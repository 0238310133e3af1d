package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit statuses.
const (
	exitGood   = 0
	exitFailed = 1
	exitUsage  = 2
)

const usage = `usage: bench COMMAND [flags]

  load       measures a cluster beside a handler that does nothing
  check      writes to a cluster, and compares what it has with what it acknowledged
  compare    measures Headcount beside Redis, PostgreSQL and etcd
  failover   kills, pauses and stops the leaders of a cluster of its own
  soak       writes to a cluster of its own for long, and watches what grows

"bench COMMAND --help" lists a command's flags.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the run in order, the second at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the command, from its arguments to its exit status.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(errs, usage)
		return exitUsage
	}
	switch args[0] {
	case "load":
		return runLoad(ctx, args[1:], out, errs)
	case "check":
		return runCheck(ctx, args[1:], out, errs)
	case "compare":
		return runCompare(ctx, args[1:], out, errs)
	case "soak":
		return runSoak(ctx, args[1:], out, errs)
	case "failover":
		return runFailover(ctx, args[1:], out, errs)
	case emptyCommand:
		if err := serveEmpty(in, out, emptyArguments(args[1:])); err != nil {
			fmt.Fprintln(errs, "bench:", err)
			return exitFailed
		}
		return exitGood
	default:
		fmt.Fprintf(errs, "bench: there is no command %q\n%s", args[0], usage)
		return exitUsage
	}
}

func runLoad(ctx context.Context, args []string, out, errs io.Writer) int {
	o, err := parseOptions(args, errs)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitGood
	case err != nil:
		fmt.Fprintln(errs, "bench:", err)
		return exitUsage
	}
	report, err := load(ctx, o, errs)
	if err != nil {
		fmt.Fprintln(errs, "bench:", err)
		return exitFailed
	}
	report.print(out)
	if o.jsonPath != "" {
		if err := writeJSON(o.jsonPath, report); err != nil {
			fmt.Fprintln(errs, "bench:", err)
			return exitFailed
		}
	}
	if o.htmlPath != "" {
		if err := writePage(o.htmlPath, report); err != nil {
			fmt.Fprintln(errs, "bench:", err)
			return exitFailed
		}
	}
	if !report.good() {
		fmt.Fprintln(errs, "bench: writes failed in ways they must not, or none was acknowledged: see above")
		return exitFailed
	}
	return exitGood
}
