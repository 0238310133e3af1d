package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"headcount/client"
)

const (
	auditRetriesMax = 20
	auditPause      = time.Second
	examplesMax     = 10
)

// verdict is what one comparison came to.
type verdict struct {
	What     string   `json:"what"`
	Compared int      `json:"compared"`
	Wrong    int      `json:"wrong"`
	Examples []string `json:"examples,omitempty"` // the first ten
}

func (v *verdict) wrong(format string, arguments ...any) {
	v.Wrong++
	if len(v.Examples) < examplesMax {
		v.Examples = append(v.Examples, fmt.Sprintf(format, arguments...))
	}
}

func (v verdict) String() string {
	return fmt.Sprintf("%s: %s compared, %d wrong", v.What, grouped(float64(v.Compared)), v.Wrong)
}

// auditor compares a cluster with what it owes.
type auditor struct {
	o     checkOptions
	all   []owed           // by user and segment
	nodes []*client.Client // one of each
}

func newAuditor(o checkOptions, all []owed) (*auditor, error) {
	a := &auditor{o: o, all: all}
	for _, address := range o.load.addresses {
		c, err := client.New(client.Options{RetriesMax: auditRetriesMax}, "http://"+address)
		if err != nil {
			return nil, err
		}
		a.nodes = append(a.nodes, c)
	}
	return a, nil
}

func (a *auditor) close() {
	for _, c := range a.nodes {
		c.Close()
	}
}

// title and userID are the names in the requests.
func (a *auditor) title(segment uint32) string {
	_, width := a.o.load.widths()
	return fmt.Sprintf("%ss%0*d", a.o.load.prefix, width, segment)
}

func (a *auditor) userID(user uint32) string {
	width, _ := a.o.load.widths()
	return fmt.Sprintf("%su%0*d", a.o.load.prefix, width, user)
}

// counts asks every node for all counts.
func (a *auditor) counts(ctx context.Context) (verdicts []verdict, _ error) {
	ctx, cancel := context.WithTimeout(ctx, a.o.patience+readyTimeout)
	defer cancel()
	want := countBounds(a.all, a.o.load.segments)
	for i, address := range a.o.load.addresses {
		counts, err := a.nodes[i].Counts(ctx, client.Linearizable())
		if err != nil {
			return nil, err
		}
		verdicts = append(verdicts, a.compareCounts("counts of "+address, counts, want))
	}
	return verdicts, nil
}

func (a *auditor) compareCounts(what string, counts []client.SegmentCount, want []bounds) verdict {
	v := verdict{What: what}
	got := map[string]uint64{}
	for _, c := range counts {
		if strings.HasPrefix(c.Title, a.o.load.prefix) {
			got[c.Title] = c.UsersCount
		}
	}
	for segment, b := range want {
		title := a.title(uint32(segment))
		if n := got[title]; n < b.least || n > b.most {
			v.wrong("%s has %d users, and must have %d to %d", title, n, b.least, b.most)
		}
		v.Compared++
		delete(got, title)
	}
	for title, n := range got {
		v.wrong("%s has %d users, and was never written", title, n)
	}
	return v
}

// users looks users up, those among them that were never written.
func (a *auditor) users(ctx context.Context) ([]verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, a.o.patience+readyTimeout)
	defer cancel()
	width, err := a.bucketSeconds(ctx)
	if err != nil {
		return nil, err
	}
	v := verdict{What: "users looked up"}
	random := rand.New(rand.NewPCG(a.o.load.seed, 0))
	for i := range a.o.lookups {
		user := uint32(random.IntN(a.o.load.users))
		got, err := a.nodes[i%len(a.nodes)].User(ctx, a.userID(user), client.Linearizable())
		if err != nil {
			return nil, err
		}
		a.compareUser(&v, user, got, width)
	}
	return []verdict{v}, nil
}

// bucketSeconds is the cluster's bucket width.
func (a *auditor) bucketSeconds(ctx context.Context) (int64, error) {
	status, err := a.nodes[0].Cluster(ctx)
	if err == nil && status.Cluster.BucketWidthSeconds < 1 {
		err = errors.New("the cluster's status has no bucket width")
	}
	return status.Cluster.BucketWidthSeconds, err
}

func (a *auditor) compareUser(v *verdict, user uint32, got client.User, bucketSeconds int64) {
	v.Compared++
	held := map[string]int64{}
	for _, s := range got.Segments {
		held[s.Title] = int64(s.Expiry)
	}
	from, _ := slices.BinarySearchFunc(a.all, user, func(o owed, user uint32) int { return cmp.Compare(o.user, user) })
	for _, o := range a.all[from:] {
		if o.user != user {
			break
		}
		title := a.title(o.segment)
		if !o.allows(held[title], bucketSeconds) {
			v.wrong("%s is in %s until %d, and must be until %d to %d (0: not)", got.ID, title, held[title], o.acknowledged, o.possible)
		}
		delete(held, title)
	}
	for title := range held {
		v.wrong("%s is in %s, and was never put there", got.ID, title)
	}
}

// postgres reads all rows, once the outbox is empty, and again until they are right or
// the patience is over.
func (a *auditor) postgres(ctx context.Context) ([]verdict, error) {
	if a.o.dsn == "" {
		return nil, nil
	}
	// Longer than the patience: once it is over, one last look must be whole.
	reading, cancel := context.WithTimeout(ctx, 2*a.o.patience+checkPatienceMax)
	defer cancel()
	database, err := pgx.Connect(reading, a.o.dsn)
	if err != nil {
		return nil, fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer func() { _ = database.Close(context.WithoutCancel(ctx)) }()
	for deadline := time.Now().Add(a.o.patience); ; {
		late := time.Now().After(deadline)
		if empty, err := a.outboxEmpty(reading); err != nil {
			return nil, err
		} else if empty || late {
			v, err := a.compareRows(reading, database)
			if err != nil {
				return nil, fmt.Errorf("reading the table users: %w", err)
			}
			if v.Wrong == 0 || late {
				return []verdict{v}, nil
			}
		}
		if err := sleep(ctx, auditPause); err != nil {
			return nil, err
		}
	}
}

// outboxEmpty reports whether the leaders say that PostgreSQL has everything.
func (a *auditor) outboxEmpty(ctx context.Context) (bool, error) {
	status, err := a.nodes[0].Cluster(ctx)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(status.Shards, func(s client.ShardStatus) bool { return s.OutboxRows > 0 }), nil
}

// compareRows reads the rows in the order of what is owed: names of one width sort as
// their numbers do.
func (a *auditor) compareRows(ctx context.Context, database *pgx.Conn) (verdict, error) {
	v := verdict{What: "rows of PostgreSQL"}
	rows, err := database.Query(ctx, `SELECT id::text, segment::text, ceil(extract(epoch FROM expired_segment))::bigint FROM users
WHERE id >= $1 AND id < $2 ORDER BY id, segment`, a.o.load.prefix+"u", a.o.load.prefix+"v")
	if err != nil {
		return v, err
	}
	defer rows.Close()
	left := a.all
	for rows.Next() {
		var id, title string
		var expiry int64
		if err := rows.Scan(&id, &title, &expiry); err != nil {
			return v, err
		}
		v.Compared++
		row, err := a.parse(id, title)
		if err != nil {
			v.wrong("%s in %s: %v", id, title, err)
			continue
		}
		for len(left) > 0 && compareOwed(left[0], row) < 0 {
			a.missing(&v, left[0])
			left = left[1:]
		}
		if len(left) == 0 || compareOwed(left[0], row) > 0 {
			v.wrong("%s in %s is a row, and was never written", id, title)
			continue
		}
		if o := left[0]; !o.allows(expiry, 1) { // it has the second
			v.wrong("%s in %s expires at %d, and must at %d to %d", id, title, expiry, o.acknowledged, o.possible)
		}
		left = left[1:]
	}
	for _, o := range left {
		a.missing(&v, o)
	}
	return v, rows.Err()
}

// missing says of a membership that has no row.
func (a *auditor) missing(v *verdict, o owed) {
	if o.acknowledged > 0 {
		v.wrong("%s in %s is no row, and was acknowledged", a.userID(o.user), a.title(o.segment))
	}
}

// parse takes the numbers from names.
func (a *auditor) parse(id, title string) (owed, error) {
	user, err := strconv.ParseUint(strings.TrimPrefix(id, a.o.load.prefix+"u"), 10, 32)
	if err != nil {
		return owed{}, err
	}
	segment, err := strconv.ParseUint(strings.TrimPrefix(title, a.o.load.prefix+"s"), 10, 32)
	return owed{user: uint32(user), segment: uint32(segment)}, err
}
