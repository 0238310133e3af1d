package main

import (
	"context"
	"errors"
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
		return loadCommand.run(ctx, args[1:], out, errs)
	case "check":
		return checkCommand.run(ctx, args[1:], out, errs)
	case "compare":
		return compareCommand.run(ctx, args[1:], out, errs)
	case "soak":
		return soakCommand.run(ctx, args[1:], out, errs)
	case "failover":
		return failoverCommand.run(ctx, args[1:], out, errs)
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

const writesFailed = "writes failed in ways they must not, or none was acknowledged"

// The commands.
var (
	loadCommand = command[options, *report]{
		parse: parseOptions, do: load, bad: writesFailed,
		save: func(o options, r *report) error {
			return errors.Join(writeJSON(o.jsonPath, r), writePage(o.htmlPath, r))
		},
	}
	checkCommand = command[checkOptions, *checkReport]{
		parse: parseCheck, do: check, bad: "the cluster does not have what it acknowledged, or nothing was acknowledged",
		save: func(o checkOptions, r *checkReport) error { return writeJSON(o.load.jsonPath, r) },
	}
	compareCommand = command[compareOptions, *compareReport]{
		parse: parseCompare, do: compare, bad: writesFailed,
		save: func(o compareOptions, r *compareReport) error {
			return errors.Join(writeJSON(o.jsonPath, r), writeMarkdown(o.markdown, r))
		},
	}
	failoverCommand = command[failoverOptions, *failoverReport]{
		parse: parseFailover, do: failover, bad: "acknowledged writes are lost, or the cluster has more than was sent",
		save: func(o failoverOptions, r *failoverReport) error { return writeJSON(o.jsonPath, r) },
	}
	soakCommand = command[soakOptions, *soakReport]{
		parse: parseSoak, do: soak, bad: writesFailed,
		save: func(o soakOptions, r *soakReport) error { return writeJSON(o.load.jsonPath, r) },
	}
)
