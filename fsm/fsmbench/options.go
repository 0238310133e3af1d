package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
)

// parts in the order in which they are measured. Some consist of two, which may be
// asked for by themselves.
var parts = []struct {
	name string
	subs []string
}{
	{"memory", []string{"sizes", "segments"}},
	{"apply", []string{"rates", "gc"}},
	{"stall", []string{"alone", "snapshots"}},
	{"snapshot", nil},
	{"restore", nil},
	{"limits", nil},
	{"peers", []string{"maps", "redis"}},
}

// partNames lists all that --only takes; the whole ones alone if asked to.
func partNames(wholeOnly bool) (names []string) {
	for _, part := range parts {
		names = append(names, part.name)
		for _, sub := range part.subs {
			if !wholeOnly {
				names = append(names, part.name+"/"+sub)
			}
		}
	}
	return names
}

const (
	membersMin  = 10_000
	membersMax  = 1_000_000_000
	segmentsMax = 10_000 // as many as a machine is told to allow
)

type options struct {
	members      int
	segments     int
	seed         uint64
	only         []string
	jsonPath     string
	markdownPath string
	directory    string
}

var errUsage = errors.New("wrong arguments")

func parseOptions(args []string, errs io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("fsmbench", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.IntVar(&o.members, "members", 20_000_000, "the `number` of memberships; the parts take fixed fractions of it")
	flags.IntVar(&o.segments, "segments", 300, "the `number` of segments, sized by Zipf's law")
	flags.Uint64Var(&o.seed, "seed", 0, "draws the same memberships again; 0: a random one, which is printed")
	only := flags.String("only", strings.Join(partNames(true), ","), "the `parts` to measure")
	flags.StringVar(&o.jsonPath, "json", "", "write the figures to this `file` too")
	flags.StringVar(&o.markdownPath, "markdown", "", "write the table to this `file` too")
	flags.StringVar(&o.directory, "dir", "", "where to put the snapshots' files, a `directory` on a real disk; the system's for temporary files by default")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	o.only = strings.Split(*only, ",")
	for o.seed == 0 {
		o.seed = rand.Uint64()
	}
	return o, o.check(flags.Args())
}

func (o options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%w: %q is not a flag", errUsage, rest[0])
	case o.members < membersMin || o.members > membersMax:
		return fmt.Errorf("%w: --members is from %d to %d", errUsage, membersMin, membersMax)
	case o.segments < 1 || o.segments > segmentsMax:
		return fmt.Errorf("%w: --segments is from 1 to %d", errUsage, segmentsMax)
	}
	for _, part := range o.only {
		if !slices.Contains(partNames(false), part) {
			return fmt.Errorf("%w: there is no part %q; --only takes %s", errUsage, part, strings.Join(partNames(false), ", "))
		}
	}
	return nil
}

// wants reports whether a part, or one of the two it consists of, was asked for.
func (o options) wants(name string) bool {
	whole, _, _ := strings.Cut(name, "/")
	return slices.Contains(o.only, name) || slices.Contains(o.only, whole)
}

// sizes at which the memory is measured: 1, 5, 10 and 20 million of 20 million.
func (o options) sizes() []int {
	return []int{o.members / 20, o.members / 4, o.members / 2, o.members}
}
