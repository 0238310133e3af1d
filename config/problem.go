package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// problemsMax bounds how many problems one error names. The rest is counted.
const problemsMax = 100

// Problem is one thing wrong in a cluster file. It reads, on one line,
//
//	cluster.yml:12: nodes[1].peer: what is wrong: what to write instead
type Problem struct {
	File string
	Line int    // from 1; of the key, or of what should hold a missing one
	Key  string // such as write.timeout or nodes[1].peer; empty for the whole document
	What string
}

func (p *Problem) Error() string {
	if p.Key == "" {
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.What)
	}
	return fmt.Sprintf("%s:%d: %s: %s", p.File, p.Line, p.Key, p.What)
}

// joined returns the problems by line as one error, or nil if there are none.
func joined(problems []*Problem) error {
	slices.SortStableFunc(problems, func(a, b *Problem) int { return cmp.Compare(a.Line, b.Line) })
	named := problems[:min(len(problems), problemsMax)]
	var errs []error
	for _, p := range named {
		errs = append(errs, p)
	}
	if more := len(problems) - len(named); more > 0 {
		last := named[len(named)-1]
		errs = append(errs, &Problem{
			File: last.File, Line: last.Line,
			What: fmt.Sprintf("and %d more problems from here on: fix those above first", more),
		})
	}
	return errors.Join(errs...)
}
