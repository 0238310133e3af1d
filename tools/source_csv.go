package tools

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"headcount/client"
)

// DefaultColumns are the names of the usual table: of the ID, the segment and the expiry.
var DefaultColumns = [3]string{"id", "segment", "expired_segment"}

// CSV is memberships as a file of comma-separated values (RFC 4180), whose first record
// names the columns.
type CSV struct {
	From    io.Reader
	Path    string // for Name
	Columns [3]string
	Comma   rune           // 0: a comma
	Zone    *time.Location // of expiries without an offset
}

// Name is the file's.
func (c *CSV) Name() string { return "csv " + c.Path }

// Estimate knows nothing.
func (c *CSV) Estimate(context.Context) int64 { return -1 }

// Read implements [Source]. A mark is a record's number, the head not counted.
func (c *CSV) Read(ctx context.Context, mark string, take func(Found) error) error {
	after, err := parseMark(mark)
	if err != nil {
		return err
	}
	records := csv.NewReader(c.From)
	records.ReuseRecord = true
	records.FieldsPerRecord = -1 // a record that is too short is refused by itself
	if c.Comma != 0 {
		records.Comma = c.Comma
	}
	at, columns, err := c.head(records)
	if err != nil {
		return err
	}
	for number := int64(1); ; number++ {
		fields, err := records.Read()
		var malformed *csv.ParseError
		switch {
		case err == io.EOF:
			return nil
		case err != nil && !errors.As(err, &malformed):
			return err
		case number <= after:
			continue
		}
		found := Found{Mark: strconv.FormatInt(number, 10)}
		if err != nil {
			found.Place, found.Problem = malformedAt(malformed), malformed.Err.Error()
		} else {
			line, _ := records.FieldPos(0)
			found = c.membership(fields, at, columns)
			found.Place, found.Mark = fmt.Sprintf("line %d", line), strconv.FormatInt(number, 10)
		}
		if err := take(found); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// malformedAt names the lines of a record that cannot be read: a quote that does not end
// takes all that follows.
func malformedAt(e *csv.ParseError) string {
	if e.StartLine == e.Line {
		return fmt.Sprintf("line %d", e.Line)
	}
	return fmt.Sprintf("lines %d to %d", e.StartLine, e.Line)
}

// head reads the first record and returns where the columns are, of how many.
func (c *CSV) head(records *csv.Reader) (at [3]int, columns int, err error) {
	names, err := records.Read()
	if err == io.EOF {
		return at, 0, errors.New("the file is empty: its first line must name the columns")
	}
	if err != nil {
		return at, 0, fmt.Errorf("the first line must name the columns: %w", err)
	}
	names = slices.Clone(names)
	names[0] = strings.TrimPrefix(names[0], "\ufeff")
	for i, column := range c.Columns {
		if at[i] = slices.Index(names, column); at[i] < 0 {
			return at, 0, fmt.Errorf("there is no column %q in the first line (%s): name the three with --columns ID,SEGMENT,EXPIRY", column, strings.Join(names, ", "))
		}
	}
	return at, len(names), nil
}

func (c *CSV) membership(fields []string, at [3]int, columns int) (found Found) {
	switch {
	case len(fields) <= slices.Max(at[:]):
		found.Problem = fmt.Sprintf("it has %d fields only", len(fields))
		return found
	case len(fields) > columns:
		found.Problem = fmt.Sprintf("it has %d fields, and the first line %d", len(fields), columns)
		return found
	}
	expiry, problem := parseExpiry(fields[at[2]], c.Zone)
	// The reader uses the fields' memory again.
	found.Membership = client.Membership{
		ID: strings.Clone(fields[at[0]]), Segment: strings.Clone(fields[at[1]]), Expiry: client.UnixSeconds(expiry),
	}
	found.Problem = problem
	return found
}
