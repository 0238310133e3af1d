package api

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// oracle is a membership as encoding/json reads it.
type oracle struct {
	ID      *string `json:"ID"`
	Segment *string `json:"segment"`
	Expiry  *int64  `json:"expiredSegment"`
}

// decodeWithOracle reads exactly one object.
func decodeWithOracle(data []byte) (o oracle, err error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&o); err != nil {
		return o, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return o, io.ErrUnexpectedEOF
	}
	return o, nil
}

// stricter are the reasons for which this package refuses what encoding/json takes.
var stricter = []string{
	reasonRecordKey, // a key in another case
	reasonRepeated,
	reasonNull, reasonString, reasonObject, // null for a number, a name, the whole
	reasonUTF8, reasonSurrogate, // which encoding/json replaces
	reasonNegative,
	reasonNameEmpty, reasonNameLong, reasonNameControl, reasonMissing,
}

// Whatever is accepted, encoding/json accepts with equal values. Whatever only it
// accepts is refused for a documented reason.
func FuzzRecord(f *testing.F) {
	for _, bad := range readBadRequests(f) {
		f.Add([]byte(expand(bad.Body)))
	}
	for _, good := range []string{
		`{"ID":"u1","segment":"s"}`,
		` { "expiredSegment" : 1999999999 , "segment" : "\u00e9\ud83d\ude00" , "ID" : "a\/b\"" } `,
		`{"\u0049D":"é\n","segment":"日本","expiredSegment":0}`,
		`{"id":"u1","Segment":"s","expiredsegment":null}`,
		`null`,
	} {
		f.Add([]byte(good))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		want, err := decodeWithOracle(data)
		got, fault := decodeRecord(slices.Clone(data))
		switch {
		case !fault.found() && err != nil:
			t.Fatalf("%q is accepted as %+v, but encoding/json says: %v", data, got, err)
		case !fault.found():
			if string(got.id) != *want.ID || string(got.segment) != *want.Segment {
				t.Fatalf("%q: names %q and %q, want %q and %q", data, got.id, got.segment, *want.ID, *want.Segment)
			}
			if got.expiryGiven != (want.Expiry != nil) || (got.expiryGiven && got.expiry != *want.Expiry) {
				t.Fatalf("%q: expiry %d, %v, want %v", data, got.expiry, got.expiryGiven, want.Expiry)
			}
		case err == nil && !slices.Contains(stricter, fault.reason):
			t.Fatalf("%q is refused: %s", data, fault.text())
		}
		if fault.found() && (fault.at < 0 || fault.at > len(data)) {
			t.Fatalf("%q: fault at byte %d", data, fault.at)
		}
	})
}

func FuzzName(f *testing.F) {
	for _, name := range []string{"", "u1", "é\u0085", "\x7f", "\xff", "a\x00", strings.Repeat("é", 65)} {
		f.Add([]byte(name))
	}
	f.Fuzz(func(t *testing.T, name []byte) {
		want := len(name) >= 1 && len(name) <= 128 && utf8.Valid(name) && !bytes.ContainsFunc(name, unicode.IsControl)
		if got := checkName(name); (got == "") != want {
			t.Fatalf("%q: %q, want accepted: %v", name, got, want)
		}
	})
}

// A reply holds names as encoding/json would read them back.
func FuzzQuote(f *testing.F) {
	f.Add("a\"b\\c\n\x00\xff\u2028é")
	f.Fuzz(func(t *testing.T, text string) {
		var back string
		quoted := appendText([]byte("x"), text)[1:]
		if err := json.Unmarshal(quoted, &back); err != nil {
			t.Fatalf("%q: %s: %v", text, quoted, err)
		}
		if utf8.ValidString(text) && back != text {
			t.Fatalf("%q came back as %q", text, back)
		}
	})
}
