package pgsink

// rows are folded rows of one op, by column, as PostgreSQL takes them. A key occurs
// once: PostgreSQL refuses an upsert that meets a row twice (SQLSTATE 21000).
type rows struct {
	op       Op
	ids      []string
	segments []string // not for erases
	expiries []int64  // Unix seconds; puts only
}

func (r rows) len() int { return len(r.ids) }

// halves splits two or more rows.
func (r rows) halves() (rows, rows) {
	return r.cut(r.len() / 2)
}

// pieces splits them into pieces of at most so many rows.
func (r rows) pieces(rowsMax int) (pieces []rows) {
	for r.len() > rowsMax {
		var piece rows
		piece, r = r.cut(rowsMax)
		pieces = append(pieces, piece)
	}
	return append(pieces, r)
}

// cut splits them before the row at a place.
func (r rows) cut(at int) (rows, rows) {
	left, right := r, r
	left.ids, right.ids = r.ids[:at], r.ids[at:]
	if r.op != OpErase {
		left.segments, right.segments = r.segments[:at], r.segments[at:]
	}
	if r.op == OpPut {
		left.expiries, right.expiries = r.expiries[:at], r.expiries[at:]
	}
	return left, right
}

const (
	sqlErase = `DELETE FROM users WHERE id = ANY ($1::text[])`

	sqlDelete = `
DELETE FROM users AS u USING unnest($1::text[], $2::text[]) AS k (id, segment)
WHERE u.id = k.id AND u.segment = k.segment`

	// The later expiry wins, and a row that stays as it is is not written.
	// Seconds up to 2^53 pass through to_timestamp's double precision unchanged; that
	// is a thousand times what a timestamptz can hold.
	sqlPut = `
INSERT INTO users AS u (id, segment, expired_segment)
SELECT k.id, k.segment, to_timestamp(k.expiry)
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS k (id, segment, expiry)
ON CONFLICT (id, segment) DO UPDATE
SET expired_segment = excluded.expired_segment, updated_at = now()
WHERE excluded.expired_segment > u.expired_segment`
)

// statement is the one that does the rows.
func (r rows) statement() (sql string, arguments []any) {
	switch r.op {
	case OpErase:
		return sqlErase, []any{r.ids}
	case OpDelete:
		return sqlDelete, []any{r.ids, r.segments}
	default:
		return sqlPut, []any{r.ids, r.segments, r.expiries}
	}
}

const (
	sqlForgetUsers = `DELETE FROM quarantine WHERE id = ANY ($1::bytea[])`

	sqlForgetKeys = `
DELETE FROM quarantine AS q USING unnest($1::bytea[], $2::bytea[]) AS k (id, segment)
WHERE q.id = k.id AND q.segment = k.segment`
)

// forgetting is the statement that takes out of quarantine what these rows end: it must
// not be put back later by hand, and an erased user is to leave nothing behind.
func (r rows) forgetting() (sql string, arguments []any, ok bool) {
	switch r.op {
	case OpErase:
		return sqlForgetUsers, []any{asBytes(r.ids)}, true
	case OpDelete:
		return sqlForgetKeys, []any{asBytes(r.ids), asBytes(r.segments)}, true
	}
	return "", nil, false
}

func asBytes(names []string) [][]byte {
	all := make([][]byte, len(names))
	for i, name := range names {
		all[i] = []byte(name)
	}
	return all
}
