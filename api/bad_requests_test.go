package api

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// badRequest is one row of testdata/bad_requests.json: a request that every node
// must refuse, whatever its limits and its memberships are.
//
// It is given as raw bytes, or as a method, a target, headers and a body, to which
// Host and Content-Length are added. In all of them {{129*a}} stands for 129 times
// the text after the star, and {{hex:ff}} for bytes that JSON cannot hold.
type badRequest struct {
	Name    string   `json:"name"`
	Raw     string   `json:"raw"`
	Method  string   `json:"method"`
	Target  string   `json:"target"`
	Headers []string `json:"headers"`
	Body    string   `json:"body"`
	Status  int      `json:"status"`
	Detail  string   `json:"detail"` // a part of the wanted detail
}

func readBadRequests(t testing.TB) []badRequest {
	t.Helper()
	text, err := os.ReadFile("testdata/bad_requests.json")
	if err != nil {
		t.Fatal(err)
	}
	var table []badRequest
	if err := json.Unmarshal(text, &table); err != nil {
		t.Fatalf("reading the table: %v", err)
	}
	if len(table) < 60 {
		t.Fatalf("only %d bad requests", len(table))
	}
	return table
}

var placeholder = regexp.MustCompile(`\{\{(hex|\d+)[:*](.*?)\}\}`)

func expand(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(found string) string {
		match := placeholder.FindStringSubmatch(found)
		if times, err := strconv.Atoi(match[1]); err == nil {
			return strings.Repeat(match[2], times)
		}
		decoded, err := hex.DecodeString(match[2])
		if err != nil {
			panic("bad placeholder " + found)
		}
		return string(decoded)
	})
}

func (b badRequest) text() string {
	if b.Raw != "" {
		return expand(b.Raw)
	}
	return requestText(b.Method, expand(b.Target), expand(b.Body), b.Headers...)
}

func TestBadRequestsAreRefused(t *testing.T) {
	s := serve(t, newTown(), Options{})
	if got := s.post(t, asJSON, `{"ID":"u1","segment":"sports"}`); got.status != 201 {
		t.Fatalf("a good request is refused too: %v", got)
	}
	before := s.town.snapshot()
	names := map[string]bool{}
	for _, bad := range readBadRequests(t) {
		if names[bad.Name] {
			t.Errorf("two rows are named %q", bad.Name)
		}
		names[bad.Name] = true
		t.Run(bad.Name, func(t *testing.T) {
			got := s.raw(t, bad.Method, bad.text())
			p := got.problem(t, bad.Status)
			if !strings.Contains(p.Detail, bad.Detail) || bad.Detail == "" {
				t.Errorf("the detail lacks %q: %v", bad.Detail, got)
			}
			if bad.Status == 405 && got.header.Get("Allow") == "" {
				t.Errorf("405 without Allow: %v", got)
			}
			s.alive(t)
		})
	}
	if after := s.town.snapshot(); len(after) != len(before) {
		t.Errorf("bad requests were applied: %v", after)
	}
	if log := s.log.String(); strings.Contains(log, "panic") {
		t.Errorf("a handler panicked: %s", log)
	}
}
