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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the run in order, the second at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the command, from its arguments to its exit status.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	if len(args) == 2 && args[0] == childCommand {
		if err := runChild(ctx, args[1]); err != nil {
			fmt.Fprintln(errs, "fsmbench:", err)
			return exitFailed
		}
		return exitGood
	}
	o, err := parseOptions(args, errs)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitGood
	case err != nil:
		fmt.Fprintln(errs, "fsmbench:", err)
		return exitUsage
	}
	if err := measureAndReport(ctx, o, out, errs); err != nil {
		fmt.Fprintln(errs, "fsmbench:", err)
		return exitFailed
	}
	return exitGood
}

// measureAndReport prints and writes what could be measured, even when a part fails.
func measureAndReport(ctx context.Context, o options, out, errs io.Writer) error {
	r := newReport(o)
	failed := r.measure(ctx, o, errs)
	r.collectRows()
	r.print(out)
	return errors.Join(failed, r.write(o))
}
