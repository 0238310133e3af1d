package tools

import (
	"fmt"
	"slices"
	"time"
)

// open returns how many segments are neither equal nor surely different, and how many
// are different.
func (v *verifier) open() (undecided, different int) {
	for _, c := range v.compared {
		switch {
		case c.equal:
		case c.differed >= verifyRounds:
			different++
		default:
			undecided++
		}
	}
	return undecided, different
}

func (v *verifier) report(undecided, different int) error {
	if v.at.IsZero() {
		return fmt.Errorf("the counts %w: PostgreSQL does not catch up, or takes too long to count; give a longer --wait", ErrUndecided)
	}
	var total uint64
	for _, c := range v.compared {
		total += c.cluster
	}
	fmt.Fprintf(v.o.Out, "%d segments with %d users at %s: %d equal, %d different, %d not decided\n",
		len(v.compared), total, v.at.Format(time.RFC3339), len(v.compared)-undecided-different, different, undecided)
	if undecided+different > 0 {
		v.table()
	}
	switch {
	case different > 0:
		return fmt.Errorf("%w in %d segments", ErrDifferent, different)
	case undecided > 0:
		return fmt.Errorf("%d segments %w: they change all the time, or PostgreSQL does not catch up; stop writing to them, or give a longer --wait", undecided, ErrUndecided)
	}
	return nil
}

// table shows what is not equal.
func (v *verifier) table() {
	var titles []string
	for title, c := range v.compared {
		if !c.equal {
			titles = append(titles, title)
		}
	}
	slices.Sort(titles)
	table(v.o.Out, "SEGMENT\tCLUSTER\tPOSTGRESQL\tDIFFERENCE\t", func(row func(...any)) {
		for _, title := range titles[:min(len(titles), verifyShown)] {
			c := v.compared[title]
			word := "not decided"
			if c.differed >= verifyRounds {
				word = "DIFFERENT"
			}
			row(title, c.cluster, c.table, fmt.Sprintf("%+d", int64(c.cluster)-int64(c.table)), word)
		}
	})
	if len(titles) > verifyShown {
		fmt.Fprintf(v.o.Out, "and %d more\n", len(titles)-verifyShown)
	}
}
