package tools_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"headcount/client"
	"headcount/client/clienttest"
	"headcount/tools"
)

// numbers is a source of n users, of whom some are refused, and which may break off.
type numbers struct {
	n        int
	noExpiry func(i int) bool
	noName   func(i int) bool
	badName  func(i int) bool
	failAt   int // 0: never
	began    []string
}

var errBroken = errors.New("the source broke off")

func (s *numbers) Name() string                   { return "numbers" }
func (s *numbers) Estimate(context.Context) int64 { return int64(s.n) }

func (s *numbers) Read(_ context.Context, mark string, take func(tools.Found) error) error {
	s.began = append(s.began, mark)
	after := -1
	if mark != "" {
		after, _ = strconv.Atoi(mark)
	}
	for i := after + 1; i < s.n; i++ {
		if s.failAt > 0 && i == s.failAt {
			return errBroken
		}
		f := tools.Found{Place: fmt.Sprintf("number %d", i), Mark: strconv.Itoa(i)}
		f.Membership = client.Membership{ID: fmt.Sprintf("u%d", i), Segment: "s", Expiry: client.At(time.Now().Add(time.Hour))}
		if s.noExpiry != nil && s.noExpiry(i) {
			f.Problem = "no expiry"
		}
		if s.noName != nil && s.noName(i) {
			f.ID = ""
		}
		if s.badName != nil && s.badName(i) {
			f.ID = fmt.Sprintf("u\xff%d", i)
		}
		if err := take(f); err != nil {
			return err
		}
	}
	return nil
}

func TestImportPostsEveryRecord(t *testing.T) {
	server := clienttest.New(t)
	server.FailNext(clienttest.Fault{Status: 503}, clienttest.Fault{Status: 504}, clienttest.Fault{Applied: true})
	var out bytes.Buffer
	err := tools.Import(t.Context(), tools.ImportOptions{URL: server.URL, From: &numbers{n: 25_000}, Out: &out})
	if err != nil {
		t.Fatal(err)
	}
	if server.Memberships() != 25_000 || !strings.HasPrefix(out.String(), "imported 25000 records in ") {
		t.Errorf("%d memberships are there: %s", server.Memberships(), out.String())
	}
}

func TestImportGoesOnWhereItWasBrokenOff(t *testing.T) {
	server := clienttest.New(t)
	options := tools.ImportOptions{URL: server.URL, State: filepath.Join(t.TempDir(), "state"), Out: &bytes.Buffer{}}
	source := &numbers{n: 35_000, failAt: 29_000}
	options.From = source
	if err := tools.Import(t.Context(), options); !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "again") {
		t.Fatalf("%v: want the source's error and what to do", err)
	}
	source.failAt = 0
	if err := tools.Import(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	if source.began[0] != "" || source.began[1] != "19999" {
		t.Errorf("began after %q: want both whole batches to be kept", source.began)
	}
	if server.Memberships() != 35_000 {
		t.Errorf("%d memberships are there, want 35000", server.Memberships())
	}
	if _, err := os.Stat(options.State); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state file is left after the end: %v", err)
	}
}

func TestImportRefusesTheStateOfAnother(t *testing.T) {
	server := clienttest.New(t)
	state := filepath.Join(t.TempDir(), "state")
	for _, kept := range []string{
		`{"source":"letters","cluster":"5f0c","mark":"9","records":9}`,
		`{"source":"numbers","cluster":"another","mark":"9","records":9}`,
		`{`,
	} {
		if err := os.WriteFile(state, []byte(kept), 0o600); err != nil {
			t.Fatal(err)
		}
		err := tools.Import(t.Context(), tools.ImportOptions{URL: server.URL, From: &numbers{n: 10}, State: state, Out: &bytes.Buffer{}})
		if err == nil || server.Memberships() > 0 {
			t.Errorf("state %s was taken: %v", kept, err)
		}
	}
}

// What was refused before an import was broken off is still told of at its end.
func TestImportThatGoesOnKeepsWhatWasRefused(t *testing.T) {
	server := clienttest.New(t)
	dir := t.TempDir()
	source := &numbers{
		n: 35_000, failAt: 29_000,
		noExpiry: func(i int) bool { return i == 5_000 || i == 34_000 },
		badName:  func(i int) bool { return i == 28_000 }, // after the last whole batch: found twice
	}
	options := tools.ImportOptions{
		URL: server.URL, From: source, State: filepath.Join(dir, "state"), Refused: filepath.Join(dir, "refused"), Out: &bytes.Buffer{},
	}
	if err := tools.Import(t.Context(), options); !errors.Is(err, errBroken) {
		t.Fatalf("%v, want the source's error", err)
	}
	source.failAt = 0
	if err := tools.Import(t.Context(), options); err == nil || !strings.Contains(err.Error(), "3 records were refused") {
		t.Errorf("%v: want that 3 were refused", err)
	}
	if server.Memberships() != 35_000-3 {
		t.Errorf("%d memberships are there, want all others", server.Memberships())
	}
	refused, err := os.ReadFile(options.Refused)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{5_000, 28_000, 34_000} {
		if place := fmt.Sprintf(`"number %d"`, i); !bytes.Contains(refused, []byte(place)) {
			t.Errorf("the file does not have %s:\n%s", place, refused)
		}
	}

	// Another import begins a file of its own.
	options.From = &numbers{n: 10, noExpiry: func(i int) bool { return i == 3 }}
	if err := tools.Import(t.Context(), options); err == nil || !strings.Contains(err.Error(), "1 records were refused") {
		t.Errorf("%v: want that 1 was refused", err)
	}
	if refused, err = os.ReadFile(options.Refused); err != nil || bytes.Count(refused, []byte("\n")) != 1 {
		t.Errorf("%v, and the file has\n%s", err, refused)
	}
}

// The cluster names a hundred rejections of a request; the import names all.
func TestImportTellsOfEveryRecordThatIsRefused(t *testing.T) {
	server := clienttest.New(t)
	var out bytes.Buffer
	path := filepath.Join(t.TempDir(), "refused")
	source := &numbers{
		n:        20_000,
		noExpiry: func(i int) bool { return i%1_000 == 7 },
		noName:   func(i int) bool { return i < 10_000 && i%10 == 3 },
	}
	err := tools.Import(t.Context(), tools.ImportOptions{URL: server.URL, From: source, Refused: path, Out: &out})
	if err == nil || !strings.Contains(err.Error(), "1020 records were refused") {
		t.Errorf("%v: want that 1020 were refused", err)
	}
	if server.Memberships() != 20_000-1_020 {
		t.Errorf("%d memberships are there, want all others", server.Memberships())
	}
	refused, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(refused)), "\n")
	seen := map[string]bool{}
	for _, line := range lines {
		seen[line] = true
	}
	if len(lines) != 1_020 || len(seen) != 1_020 {
		t.Errorf("%d lines, %d of them different, tell of 1020 records", len(lines), len(seen))
	}
	if shown := strings.Count(out.String(), "refused: number"); shown != 20 {
		t.Errorf("%d are shown, want 20", shown)
	}
}
