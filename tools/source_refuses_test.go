package tools

import (
	"io"
	"strings"
	"testing"
	"time"
)

// What cannot be a membership as it is written is refused by itself, and becomes nobody else.
func TestSourcesRefuse(t *testing.T) {
	const head = "id,segment,expired_segment\n"
	for name, c := range map[string]struct {
		source Source
		want   string // in the problem of the first record; the second has none
	}{
		"csv, not UTF-8":        {csvOf(head + "a\xff,s,1790000000\nb,s,1790000000\n"), "UTF-8"},
		"csv, segment not so":   {csvOf(head + "a,s\xff,1790000000\nb,s,1790000000\n"), "UTF-8"},
		"csv, a field too many": {csvOf(head + "a,s,1790000000,x\nb,s,1790000000\n"), "4 fields"},
		"ndjson, not UTF-8": {&Lines{Zone: time.UTC, From: strings.NewReader(
			"{\"ID\":\"a\xff\",\"segment\":\"s\",\"expiredSegment\":1790000000}\n" +
				"{\"ID\":\"b\",\"segment\":\"s\",\"expiredSegment\":1790000000}\n")}, "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			var problems []string
			err := c.source.Read(t.Context(), "", func(f Found) error {
				problems = append(problems, f.Problem)
				return nil
			})
			if err != nil || len(problems) != 2 || !strings.Contains(problems[0], c.want) || problems[1] != "" {
				t.Errorf("problems %q, %v; want one with %q, and none", problems, err, c.want)
			}
		})
	}
	if err := csvOf("").Read(t.Context(), "", func(Found) error { return nil }); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("an empty file: %v", err)
	}
}

func csvOf(text string) *CSV {
	return &CSV{Columns: DefaultColumns, Zone: time.UTC, From: io.Reader(strings.NewReader(text))}
}

// A state file is of one source and one cluster.
func TestStateOfAnother(t *testing.T) {
	f := stateFile{path: t.TempDir() + "/state"}
	kept := importState{Source: "csv a", Cluster: "one", Mark: "7", Records: 7, Refused: 2}
	if err := f.save(kept); err != nil {
		t.Fatal(err)
	}
	if got, err := f.read("csv a", "one"); err != nil || got != kept {
		t.Errorf("the same import: %+v, %v", got, err)
	}
	if _, err := f.read("csv b", "one"); err == nil {
		t.Error("another source goes on where this one ended")
	}
	if _, err := f.read("csv a", "two"); err == nil {
		t.Error("another cluster is taken to have what this one has")
	}
}

// An export without memberships can be imported.
func TestWriteCSVHead(t *testing.T) {
	var b strings.Builder
	if _, err := writeCSV(&b); err != nil {
		t.Fatal(err)
	}
	if err := csvOf(b.String()).Read(t.Context(), "", func(f Found) error { t.Errorf("%+v", f); return nil }); err != nil {
		t.Error(err)
	}
}
