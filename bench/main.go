package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
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
  failover   kills, pauses and stops the leaders of a cluster of its own

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
	case "failover":
		return runFailover(ctx, args[1:], out, errs)
	case emptyCommand:
		replyBytes := 0
		if len(args) > 1 {
			replyBytes, _ = strconv.Atoi(args[1]) // as startEmpty writes it
		}
		if err := serveEmpty(in, out, replyBytes); err != nil {
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
	if !report.good() {
		fmt.Fprintln(errs, "bench: writes failed in ways they must not, or none was acknowledged: see above")
		return exitFailed
	}
	return exitGood
}
