package pgsink

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// membership is a key of the model; its value is the expiry in Unix seconds.
type membership struct{ id, segment string }

// memberships is the model: what PostgreSQL must hold.
type memberships map[membership]int64

func (m memberships) apply(rows []Row) {
	for _, row := range rows {
		key := membership{row.ID, row.Segment}
		switch row.Op {
		case OpPut:
			if held, ok := m[key]; !ok || row.Expiry > held {
				m[key] = row.Expiry
			}
		case OpDelete:
			delete(m, key)
		case OpErase:
			maps.DeleteFunc(m, func(k membership, _ int64) bool { return k.id == row.ID })
		}
	}
}

// usersTable reads what PostgreSQL holds, to the second; a fraction fails the test.
func usersTable(t *testing.T, url string) memberships {
	t.Helper()
	rows, err := connect(t, url).Query(soon(t), `SELECT id, segment, extract(epoch FROM expired_segment)::text FROM users`)
	if err != nil {
		t.Fatal(err)
	}
	held := memberships{}
	var id, segment, expiry string
	_, err = pgx.ForEachRow(rows, []any{&id, &segment, &expiry}, func() error {
		var seconds int64
		whole, fraction, _ := strings.Cut(expiry, ".")
		if _, err := fmt.Sscan(whole, &seconds); err != nil {
			return err
		}
		if strings.Trim(fraction, "0") != "" {
			return fmt.Errorf("expiry %s is not whole seconds", expiry)
		}
		held[membership{id, segment}] = seconds
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func requireEqual(t *testing.T, got, want memberships) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	for key, expiry := range want {
		if held, ok := got[key]; !ok || held != expiry {
			t.Errorf("%v: PostgreSQL has %d (%v), want %d", key, held, ok, expiry)
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("%v: PostgreSQL has it, and should not", key)
		}
	}
	t.FailNow()
}

// randomRows draws from few names, so that rows meet.
func randomRows(draw *rand.Rand, count int) []Row {
	rows := make([]Row, count)
	for i := range rows {
		rows[i] = Row{ID: fmt.Sprintf("user-%d", draw.IntN(12)), Segment: fmt.Sprintf("сегмент-%d", draw.IntN(4))}
		switch p := draw.IntN(20); {
		case p == 0:
			rows[i].Op, rows[i].Segment = OpErase, ""
		case p < 5:
			rows[i].Op = OpDelete
		default:
			rows[i].Op, rows[i].Expiry = OpPut, 1_700_000_000+draw.Int64N(1000)
		}
	}
	return rows
}

func put(id, segment string, expiry int64) Row {
	return Row{Op: OpPut, ID: id, Segment: segment, Expiry: expiry}
}
func end(id, segment string) Row { return Row{Op: OpDelete, ID: id, Segment: segment} }
func erase(id string) Row        { return Row{Op: OpErase, ID: id} }

func sortedKeys(m memberships) []membership {
	return slices.SortedFunc(maps.Keys(m), func(a, b membership) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.segment, b.segment))
	})
}
