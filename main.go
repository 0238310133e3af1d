// Command headcount runs and operates a Headcount cluster. See package cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"headcount/cli"
)

// main begins in the process's first thread: see slackenTimers.
func init() { runtime.LockOSThread() }

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		slackenTimers()
	}
	runtime.UnlockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
