package tools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"headcount/client"
)

// postgresQuery reads the table that a service of this kind usually has, in the order
// of its key, after an ID, which may be of any type: the order is the column's own, not
// that of its text.
const postgresQuery = `SELECT id::text, segment::text, expired_segment FROM users %s ORDER BY users.id`

// Table is memberships in a PostgreSQL table.
type Table struct {
	DSN   string
	Query string         // three columns: ID, segment, expiry; "": of the table users
	Zone  *time.Location // of expiries of type timestamp without time zone
}

// Name is the database and the query, without the password.
func (t *Table) Name() string {
	name := "postgres"
	if c, err := pgx.ParseConfig(t.DSN); err == nil {
		name = fmt.Sprintf("postgres %s:%d/%s", c.Host, c.Port, c.Database)
	}
	return strings.TrimSpace(name + " " + t.Query)
}

// Estimate is what PostgreSQL's planner thinks.
func (t *Table) Estimate(ctx context.Context) int64 {
	c, err := pgx.Connect(ctx, t.DSN)
	if err != nil {
		return -1 // Read will say why
	}
	defer c.Close(ctx)
	var plan []byte
	if c.QueryRow(ctx, "EXPLAIN (FORMAT JSON) "+t.query(false)).Scan(&plan) != nil {
		return -1
	}
	var parsed []struct {
		Plan struct {
			PlanRows float64 `json:"Plan Rows"`
		}
	}
	if json.Unmarshal(plan, &parsed) != nil || len(parsed) == 0 {
		return -1
	}
	return int64(parsed[0].Plan.PlanRows)
}

func (t *Table) query(after bool) string {
	switch {
	case t.Query != "":
		return t.Query
	case after:
		return fmt.Sprintf(postgresQuery, "WHERE id >= $1")
	default:
		return fmt.Sprintf(postgresQuery, "")
	}
}

// Read implements [Source]. Rows are read as they come, in one query, with as few of
// them in memory as the network holds. A mark is an ID, of the table users; a query of
// the user's own has no order that is known, and is always read from the beginning.
func (t *Table) Read(ctx context.Context, mark string, take func(Found) error) error {
	c, err := pgx.Connect(ctx, t.DSN)
	if err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer func() {
		// A row may be half read: the connection is of no more use.
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = c.Close(closing)
	}()
	// No bound of the server's on a query that takes as long as the import does.
	if _, err := c.Exec(ctx, "SET statement_timeout = 0"); err != nil {
		return fmt.Errorf("preparing to read: %w", err)
	}
	args := []any{pgx.QueryExecModeExec} // the mark is sent as text, for PostgreSQL to make an ID of
	if mark = t.markIn(mark); mark != "" {
		args = append(args, mark)
	}
	rows, err := c.Query(ctx, t.query(mark != ""), args...)
	if err != nil {
		return fmt.Errorf("reading the table: %w", err)
	}
	defer rows.Close()
	if fields := rows.FieldDescriptions(); rows.Err() == nil && len(fields) != 3 {
		return fmt.Errorf("the query gives %d columns: select the ID, the segment and the expiry, in this order", len(fields))
	}
	for number := 1; rows.Next(); number++ {
		found, err := t.membership(rows)
		if err != nil {
			return fmt.Errorf("row %d: %w", number, err)
		}
		if found.Place = fmt.Sprintf("row %d", number); mark != "" {
			found.Place += " after ID " + strconv.Quote(mark)
		}
		if t.Query == "" {
			found.Mark = found.ID
		}
		if err := take(found); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading the table: %w", err)
	}
	return nil
}

func (t *Table) markIn(mark string) string {
	if t.Query != "" {
		return ""
	}
	return mark
}

// membership reads one row.
func (t *Table) membership(rows pgx.Rows) (found Found, err error) {
	var id, segment pgtype.Text
	var expiry any
	if err := rows.Scan(&id, &segment, &expiry); err != nil {
		return found, fmt.Errorf("%w (cast the ID and the segment to text)", err)
	}
	found.ID, found.Segment = id.String, segment.String
	seconds, problem := int64(0), ""
	switch {
	case !id.Valid:
		problem = "its ID is NULL"
	case !segment.Valid:
		problem = "its segment is NULL"
	default:
		seconds, problem, err = t.expiry(expiry, rows.FieldDescriptions()[2].DataTypeOID)
	}
	found.Expiry, found.Problem = client.UnixSeconds(seconds), problem
	return found, err
}

// expiry makes Unix seconds of a column's value.
func (t *Table) expiry(value any, oid uint32) (seconds int64, problem string, err error) {
	switch v := value.(type) {
	case nil:
		return 0, problemNoExpiry, nil
	case time.Time:
		if oid != pgtype.TimestamptzOID { // pgx takes it for UTC
			v = time.Date(v.Year(), v.Month(), v.Day(), v.Hour(), v.Minute(), v.Second(), v.Nanosecond(), t.Zone)
		}
		seconds, problem = checkExpiry(wholeSeconds(v))
	case pgtype.InfinityModifier:
		problem = "its expiry is infinite: select one at most 400 days ahead"
	case int64:
		seconds, problem = checkExpiry(v)
	case int32:
		seconds, problem = checkExpiry(int64(v))
	case string:
		seconds, problem = parseExpiry(v, t.Zone)
	default:
		err = errors.New("the expiry is of a type that is no instant: make it a timestamp, a date, Unix seconds as bigint, or text")
	}
	return seconds, problem, err
}
