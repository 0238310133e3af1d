package pgsink

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
)

func columnTypes() *pgtype.Map {
	m := pgtype.NewMap()
	registerColumns(m)
	return m
}

// Columns are encoded as pgx would encode them.
func TestColumnsAreEncodedAsArrays(t *testing.T) {
	ours, theirs := columnTypes(), pgtype.NewMap()
	if _, ok := ours.PlanEncode(pgtype.TextArrayOID, pgtype.BinaryFormatCode, []string{}).(textColumn); !ok {
		t.Error("texts are encoded by pgx")
	}
	if _, ok := ours.PlanEncode(pgtype.Int8ArrayOID, pgtype.BinaryFormatCode, []int64{}).(bigintColumn); !ok {
		t.Error("numbers are encoded by pgx")
	}
	r := rand.New(rand.NewPCG(1, 1))
	for n := range 300 {
		texts, numbers := make([]string, n), make([]int64, n)
		for i := range texts {
			texts[i] = strings.Repeat("ü", r.IntN(64)) + fmt.Sprint(i)
			numbers[i] = int64(r.Uint64())
		}
		if n > 2 {
			texts[0], numbers[0], numbers[1] = "", math.MinInt64, -1
		}
		for _, column := range []struct {
			oid   uint32
			value any
		}{{pgtype.TextArrayOID, texts}, {pgtype.Int8ArrayOID, numbers}} {
			for _, format := range []int16{pgtype.BinaryFormatCode, pgtype.TextFormatCode} {
				before := []byte("what comes before")
				got, err := ours.Encode(column.oid, format, column.value, before)
				want, wantErr := theirs.Encode(column.oid, format, column.value, before)
				if err != nil || wantErr != nil || !bytes.Equal(got, want) {
					t.Fatalf("%T of %d in format %d: % x, %v, want % x, %v", column.value, n, format, got, err, want, wantErr)
				}
			}
		}
	}
}

// What is no column is left to pgx, another type's column too.
func TestOtherArraysAreEncodedByPgx(t *testing.T) {
	ours, theirs := columnTypes(), pgtype.NewMap()
	for _, x := range []struct {
		oid   uint32
		value any
	}{
		{pgtype.TextArrayOID, []*string{nil}},
		{pgtype.TextArrayOID, []any{"a", "b"}},
		{pgtype.TextArrayOID, [][]string{{"a"}, {"b"}}},
		{pgtype.TextArrayOID, []string(nil)},
		{pgtype.TextArrayOID, []int64{12345678}},
		{pgtype.Int8ArrayOID, []*int64{nil}},
		{pgtype.Int8ArrayOID, []int32{1}},
		{pgtype.Int8ArrayOID, []int64(nil)},
		{pgtype.Int8ArrayOID, []string{"12345678"}},
	} {
		got, err := ours.Encode(x.oid, pgtype.BinaryFormatCode, x.value, nil)
		want, wantErr := theirs.Encode(x.oid, pgtype.BinaryFormatCode, x.value, nil)
		if !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) {
			t.Errorf("%T as type %d: % x, %v, want % x, %v", x.value, x.oid, got, err, want, wantErr)
		}
	}
}

func BenchmarkEncodeColumns(b *testing.B) {
	texts := make([]string, 200)
	for i := range texts {
		texts[i] = fmt.Sprintf("user-%08d", i*7919)
	}
	for name, types := range map[string]*pgtype.Map{"ours": columnTypes(), "pgx": pgtype.NewMap()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := types.Encode(pgtype.TextArrayOID, pgtype.BinaryFormatCode, texts, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
