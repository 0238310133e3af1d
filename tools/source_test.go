package tools_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"headcount/client"
	"headcount/tools"
)

// readAll returns what a source hands over after a mark.
func readAll(t *testing.T, from tools.Source, mark string) []tools.Found {
	t.Helper()
	var all []tools.Found
	err := from.Read(t.Context(), mark, func(f tools.Found) error {
		all = append(all, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// wantFound compares what was found: the membership, where and which mark, or a part of
// why it is none.
func wantFound(t *testing.T, got, want []tools.Found) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records %+v, want %d", len(got), got, len(want))
	}
	for i, w := range want {
		g := got[i]
		if !strings.Contains(g.Problem, w.Problem) || (g.Problem == "") != (w.Problem == "") {
			t.Errorf("record %d: problem %q, want %q", i, g.Problem, w.Problem)
		}
		if g.Place != w.Place || g.Mark != w.Mark {
			t.Errorf("record %d: at %q with mark %q, want %q and %q", i, g.Place, g.Mark, w.Place, w.Mark)
		}
		if w.Problem == "" && g.Membership != w.Membership {
			t.Errorf("record %d: %+v, want %+v", i, g.Membership, w.Membership)
		}
	}
}

func at(text string) client.UnixSeconds {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return client.At(t)
}

func berlin(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skipf("no time zones here: %v", err)
	}
	return zone
}

func TestLinesAreReadAsTheAPITakesThem(t *testing.T) {
	const text = `{"ID":"a","segment":"s","expiredSegment":1796551200}

{"ID":"b","segment":"s","expiredSegment":"2026-12-06T10:00:00.2Z"}
{"ID":"c","segment":"s"}
{"ID":"d","segment":"s","expiredSegment":null}
{"ID":"e","segment":"s","expiredSegment":1796551200,"more":1}
{"ID":"f","segment":"s","expiredSegment":1796551200} {}
[]
{"ID":"g","segment":"s","expiredSegment":"2026-12-06 10:00:00"}`
	want := []tools.Found{
		{Membership: client.Membership{ID: "a", Segment: "s", Expiry: 1796551200}, Place: "line 1", Mark: "1"},
		{Membership: client.Membership{ID: "b", Segment: "s", Expiry: at("2026-12-06T10:00:01Z")}, Place: "line 3", Mark: "3"},
		{Problem: "no expiry", Place: "line 4", Mark: "4"},
		{Problem: "no expiry", Place: "line 5", Mark: "5"},
		{Problem: "unknown field", Place: "line 6", Mark: "6"},
		{Problem: "follows the object", Place: "line 7", Mark: "7"},
		{Problem: "no membership", Place: "line 8", Mark: "8"},
		{Membership: client.Membership{ID: "g", Segment: "s", Expiry: at("2026-12-06T09:00:00Z")}, Place: "line 9", Mark: "9"},
	}
	lines := func() tools.Source {
		return &tools.Lines{From: strings.NewReader(text), Path: "x", Zone: berlin(t)}
	}
	wantFound(t, readAll(t, lines(), ""), want)
	wantFound(t, readAll(t, lines(), "6"), want[5:])
}

func TestCSVIsReadByItsColumns(t *testing.T) {
	const text = "\ufefftill,id,other,seg\r\n" +
		"1796551200,a,,s\r\n" +
		"2026-12-06 10:00:00+02,\"b,\"\"c\nd\",x,s\r\n" +
		"2026-12-06\r\n" +
		",e,,s\r\n" +
		"2026-07-01T00:00:00,f,,s\r\n"
	want := []tools.Found{
		{Membership: client.Membership{ID: "a", Segment: "s", Expiry: 1796551200}, Place: "line 2", Mark: "1"},
		{Membership: client.Membership{ID: "b,\"c\nd", Segment: "s", Expiry: at("2026-12-06T08:00:00Z")}, Place: "line 3", Mark: "2"},
		{Problem: "1 fields only", Place: "line 5", Mark: "3"},
		{Problem: "no expiry", Place: "line 6", Mark: "4"},
		{Membership: client.Membership{ID: "f", Segment: "s", Expiry: at("2026-06-30T22:00:00Z")}, Place: "line 7", Mark: "5"},
	}
	table := func() tools.Source {
		return &tools.CSV{From: strings.NewReader(text), Path: "x", Columns: [3]string{"id", "seg", "till"}, Zone: berlin(t)}
	}
	wantFound(t, readAll(t, table(), ""), want)
	wantFound(t, readAll(t, table(), "3"), want[3:])
}

func TestCSVWithoutItsColumnsIsRefused(t *testing.T) {
	for text, want := range map[string]string{"": "empty", "id,segment\na,b\n": `no column "expired_segment"`} {
		c := &tools.CSV{From: strings.NewReader(text), Columns: tools.DefaultColumns, Zone: time.UTC}
		if err := c.Read(t.Context(), "", func(tools.Found) error { return nil }); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestCSVRefusesAFieldTooMany(t *testing.T) {
	c := &tools.CSV{From: strings.NewReader("id,segment,expired_segment\na,s,1796551200,x\nb,s,1796551200\n"), Columns: tools.DefaultColumns, Zone: time.UTC}
	wantFound(t, readAll(t, c, ""), []tools.Found{
		{Problem: "4 fields", Place: "line 2", Mark: "1"},
		{Membership: client.Membership{ID: "b", Segment: "s", Expiry: 1796551200}, Place: "line 3", Mark: "2"},
	})
}

// Decoded, it would be the name of another user.
func TestALineThatIsNotUTF8IsRefused(t *testing.T) {
	lines := &tools.Lines{From: strings.NewReader("{\"ID\":\"a\xff\",\"segment\":\"s\",\"expiredSegment\":1796551200}\n"), Zone: time.UTC}
	wantFound(t, readAll(t, lines, ""), []tools.Found{{Problem: "UTF-8", Place: "line 1", Mark: "1"}})
}

// A half of a surrogate pair is no character; one that stands for it may have been meant.
func TestHalfASurrogatePairIsRefused(t *testing.T) {
	const line = `{"ID":"%s","segment":"s","expiredSegment":1796551200}` + "\n"
	var text strings.Builder
	fmt.Fprintln(&text, `{"ID":"a\ud800","segment":"\ufffd","expiredSegment":1796551200}`)
	for _, id := range []string{`a\ud800`, `a\uFFFD`, "a\ufffd", `a\ud83d\ude00`} {
		fmt.Fprintf(&text, line, id)
	}
	got := readAll(t, &tools.Lines{From: strings.NewReader(text.String()), Zone: time.UTC}, "")
	want := []string{"", "", "a\ufffd", "a\ufffd", "a\U0001f600"}
	for i, found := range got {
		if found.Membership.ID != want[i] || (found.Problem != "") != (i < 2) {
			t.Errorf("line %d: %+v, want %q", i+1, found, want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d lines are read, want %d", len(got), len(want))
	}
}

func TestCSVTellsOfAQuoteThatDoesNotEnd(t *testing.T) {
	c := &tools.CSV{From: strings.NewReader("id,segment,expired_segment\na,\"s,1796551200\nb,s,1796551200\n"), Columns: tools.DefaultColumns, Zone: time.UTC}
	got := readAll(t, c, "")
	if len(got) != 1 || got[0].Place != "lines 2 to 3" || got[0].Problem == "" {
		t.Errorf("%+v: want one record that is refused, and all its lines named", got)
	}
}

func TestSourcesStopAtTheFirstErrorOfTheTaker(t *testing.T) {
	enough := errors.New("enough")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	const record = `{"ID":"a","segment":"s","expiredSegment":1796551200}` + "\n"
	for name, from := range map[string]func() tools.Source{
		"ndjson": func() tools.Source {
			return &tools.Lines{From: strings.NewReader(record + record), Zone: time.UTC}
		},
		"csv": func() tools.Source {
			return &tools.CSV{From: strings.NewReader("id,segment,expired_segment\na,s,1\na,s,1\n"), Columns: tools.DefaultColumns, Zone: time.UTC}
		},
	} {
		if err := from().Read(t.Context(), "", func(tools.Found) error { return enough }); !errors.Is(err, enough) {
			t.Errorf("%s: %v, want the taker's error", name, err)
		}
		if err := from().Read(ended, "", func(tools.Found) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want that of the context", name, err)
		}
		if err := from().Read(t.Context(), "x", func(tools.Found) error { return nil }); err == nil {
			t.Errorf("%s: a mark that is no number was taken", name)
		}
	}
}

func TestALineWithoutEndIsRefused(t *testing.T) {
	lines := &tools.Lines{From: strings.NewReader("\n" + strings.Repeat("x", 1<<20)), Zone: time.UTC}
	err := lines.Read(t.Context(), "", func(tools.Found) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("%v: want the line's number", err)
	}
}
