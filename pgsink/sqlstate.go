package pgsink

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// errFenced: the cursor is not where this flush expected it, so somebody else flushed.
// Nothing of the flush took effect.
var errFenced = errors.New("another leader moved the cursor")

// errOutbox: what failed is not PostgreSQL.
var errOutbox = errors.New("read the outbox")

// stateFenced is what headcount_advance raises.
const stateFenced = "ZHC01"

// serverError returns what PostgreSQL said, if the connection survived it.
func serverError(err error) (*pgconn.PgError, bool) {
	var said *pgconn.PgError
	if !errors.As(err, &said) || said.SeverityUnlocalized == "FATAL" || said.SeverityUnlocalized == "PANIC" {
		return nil, false
	}
	return said, true
}

// lost: PostgreSQL was not reached, or the connection did not survive.
func lost(err error) bool {
	_, said := serverError(err)
	return !said && !errors.Is(err, errOutbox) && !errors.Is(err, ErrSchemaNewer)
}

// refusal returns what PostgreSQL said about the data itself: a smaller statement may
// pass. Everything else would hit any statement, and passes with time.
func refusal(err error) (*pgconn.PgError, bool) {
	said, ok := serverError(err)
	if !ok || len(said.Code) != 5 {
		return nil, false
	}
	switch said.Code[:2] {
	case "21", // cardinality violation, in a trigger
		"22", // data exception: value out of range, NUL, invalid UTF-8
		"23", // integrity constraint violation
		"27", // triggered data change violation
		"44", // WITH CHECK OPTION violation
		"P0": // raised by a trigger
		return said, true
	}
	return said, said.Code == "54000" // an index takes no entry that long
}

// unstorable: names with bytes that the database's encoding does not have.
func unstorable(said *pgconn.PgError) bool {
	return said.Code == "22021" || said.Code == "22P05"
}

func isFenced(err error) bool {
	said, ok := serverError(err)
	return ok && said.Code == stateFenced
}

// schemaMissing: tables or functions are not there (any more).
func schemaMissing(err error) bool {
	said, ok := serverError(err)
	if !ok {
		return false
	}
	switch said.Code {
	case "42P01", "42883", "42703", "3F000": // table, function, column, schema
		return true
	}
	return false
}

// tooSlow: the statement's or the round trip's time was up.
func tooSlow(err error) bool {
	said, ok := serverError(err)
	return ok && said.Code == "57014" || errors.Is(err, context.DeadlineExceeded)
}
