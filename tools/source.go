package tools

import (
	"context"

	"headcount/client"
)

// Source is memberships that are kept somewhere else.
type Source interface {
	// Name says which memberships they are: a mark of one source means nothing in another.
	Name() string

	// Estimate returns about how many there are, -1 if nobody knows.
	Estimate(ctx context.Context) int64

	// Read hands all of them over, always in the same order, and begins after mark ("":
	// at the beginning), or a little before it. It stops at the first error of take.
	Read(ctx context.Context, mark string, take func(Found) error) error
}

// Found is one record of a source.
type Found struct {
	client.Membership

	Problem string // why it is no membership; "": it is one
	Place   string // in the source, for people: "line 17"
	Mark    string // in the source, to go on from later; "": none
}
