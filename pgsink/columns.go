package pgsink

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// encodeColumns has a connection encode the columns of rows as columnCodec does.
func encodeColumns(_ context.Context, conn *pgx.Conn) error {
	registerColumns(conn.TypeMap())
	return nil
}

func registerColumns(types *pgtype.Map) {
	for _, oid := range []uint32{pgtype.TextArrayOID, pgtype.Int8ArrayOID} {
		if t, ok := types.TypeForOID(oid); ok {
			if arrays, ok := t.Codec.(*pgtype.ArrayCodec); ok {
				types.RegisterType(&pgtype.Type{Name: t.Name, OID: oid, Codec: columnCodec{arrays}})
			}
		}
	}
}

// columnCodec is pgx's codec of text[] and bigint[], but that it encodes whole columns at
// once. pgx's own looks at each element as if it were of a type of its own: it takes seven
// times as long, and allocates for each.
type columnCodec struct{ *pgtype.ArrayCodec }

// PlanEncode implements [pgtype.Codec].
func (c columnCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if format == pgtype.BinaryFormatCode {
		if _, ok := value.([]string); ok && oid == pgtype.TextArrayOID {
			return textColumn{}
		}
		if _, ok := value.([]int64); ok && oid == pgtype.Int8ArrayOID {
			return bigintColumn{}
		}
	}
	return c.ArrayCodec.PlanEncode(m, oid, format, value)
}

// textColumn encodes texts in the binary format of arrays: PostgreSQL, array_recv.
type textColumn struct{}

func (textColumn) Encode(value any, buf []byte) ([]byte, error) {
	texts := value.([]string)
	size := arrayHeaderBytes
	for _, t := range texts {
		size += 4 + len(t)
	}
	buf = appendArrayHeader(slices.Grow(buf, size), pgtype.TextOID, len(texts))
	for _, t := range texts {
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(t)))
		buf = append(buf, t...)
	}
	return buf, nil
}

// bigintColumn is textColumn for numbers.
type bigintColumn struct{}

func (bigintColumn) Encode(value any, buf []byte) ([]byte, error) {
	numbers := value.([]int64)
	buf = appendArrayHeader(slices.Grow(buf, arrayHeaderBytes+12*len(numbers)), pgtype.Int8OID, len(numbers))
	for _, n := range numbers {
		buf = binary.BigEndian.AppendUint32(buf, 8)
		buf = binary.BigEndian.AppendUint64(buf, uint64(n))
	}
	return buf, nil
}

const arrayHeaderBytes = 20

// appendArrayHeader begins an array of one dimension without nulls.
func appendArrayHeader(buf []byte, element uint32, n int) []byte {
	for _, word := range [arrayHeaderBytes / 4]uint32{
		1, // dimension
		0, // no nulls
		element,
		uint32(n),
		1, // is the number of the first
	} {
		buf = binary.BigEndian.AppendUint32(buf, word)
	}
	return buf
}
