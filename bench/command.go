package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
)

// printable is what a command found out.
type printable interface {
	print(out io.Writer) // for a person
	good() bool
}

// command is one that takes options O and finds out R.
type command[O any, R printable] struct {
	parse func(args []string, errs io.Writer) (O, error)
	do    func(ctx context.Context, o O, errs io.Writer) (R, error)
	save  func(o O, report R) error // into the files that the options ask for
	bad   string                    // what to say where the report is not good
}

// run is the command, from its arguments to its exit status.
func (c command[O, R]) run(ctx context.Context, args []string, out, errs io.Writer) int {
	o, err := c.parse(args, errs)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitGood
	case err != nil:
		fmt.Fprintln(errs, "bench:", err)
		return exitUsage
	}
	report, err := c.do(ctx, o, errs)
	if err != nil {
		fmt.Fprintln(errs, "bench:", err)
		return exitFailed
	}
	report.print(out)
	if err := c.save(o, report); err != nil {
		fmt.Fprintln(errs, "bench:", err)
		return exitFailed
	}
	if !report.good() {
		fmt.Fprintln(errs, "bench: "+c.bad+": see above")
		return exitFailed
	}
	return exitGood
}
