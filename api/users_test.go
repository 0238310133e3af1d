package api

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestPutAnswersWithWhatItDid(t *testing.T) {
	s := serve(t, newTown(), Options{})
	now := s.town.now.Unix()
	record := func(expiry int64) string {
		return fmt.Sprintf(`{"ID":"u1","segment":"sports","expiredSegment":%d}`, expiry)
	}
	steps := []struct {
		name, body string
		status     int
		want       string
	}{
		{"new", record(now + 60), 201, `{"status":"created"}`},
		{"the same", record(now + 60), 200, `{"status":"unchanged"}`},
		{"shorter", record(now + 30), 200, `{"status":"unchanged"}`},
		{"longer", record(now + 90), 200, `{"status":"renewed"}`},
		{"past", strings.Replace(record(now-60), "u1", "u2", 1), 200, `{"status":"expired"}`},
		{"at zero", strings.Replace(record(0), "u1", "u2", 1), 200, `{"status":"expired"}`},
		{"as far ahead as may be", record(now + 400*24*3600), 200, `{"status":"renewed"}`},
	}
	for i, step := range steps {
		got := s.post(t, asJSON, step.body)
		if got.status != step.status || got.body != step.want {
			t.Errorf("%s: %v, want %d %s", step.name, got, step.status, step.want)
		}
		version, err := ParseVersion([]byte(got.header.Get("Headcount-Version")))
		if err != nil || len(version) != 1 || version[0].Index == 0 {
			t.Errorf("%s (%d): version %v, %v", step.name, i, version, err)
		}
		if got.header.Get("Server") != "headcount" || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: headers %v", step.name, got.header)
		}
	}
	past := s.post(t, asJSON, record(now+400*24*3600+1)).problem(t, 400)
	if !strings.Contains(past.Detail, "400 days") || !strings.Contains(past.Detail, "at byte 48") {
		t.Errorf("a second too far: %v", past)
	}
}

func TestPutWithoutExpiryLastsTheDefault(t *testing.T) {
	s := serve(t, newTown(), Options{DefaultLifetime: time.Hour})
	if got := s.post(t, "Accept: */*", `{"segment":"sports","ID":"u1"}`); got.status != 201 {
		t.Fatalf("%v", got)
	}
	want := s.town.now.Add(time.Hour).Unix()
	if got := s.town.snapshot()[membershipKey{"u1", "sports"}]; got != want {
		t.Errorf("expiry %d, want %d", got, want)
	}
}

func TestPutReadsEveryWayToWriteJSON(t *testing.T) {
	cases := []struct{ name, contentType, body, id, segment string }{
		{"spaces everywhere", asJSON, " \r\n\t{ \"ID\" : \"u1\" ,\n\"segment\":\t\"s\" } \n", "u1", "s"},
		{"any order", asJSON, `{"expiredSegment":1999999999,"segment":"s","ID":"u1"}`, "u1", "s"},
		{"escaped keys", asJSON, `{"\u0049\u0044":"u1","segmen\u0074":"s"}`, "u1", "s"},
		{"all short escapes", asJSON, `{"ID":"a\"b\\c\/d","segment":"s"}`, `a"b\c/d`, "s"},
		{"unicode escapes", asJSON, `{"ID":"\u00e9\u20ac\uD83d\uDe00","segment":"s"}`, "é€😀", "s"},
		{"raw unicode", asJSON, `{"ID":"é€😀\u0041é","segment":"日本"}`, "é€😀Aé", "日本"},
		{"128 bytes", asJSON, `{"ID":"` + strings.Repeat("é", 64) + `","segment":"s"}`, strings.Repeat("é", 64), "s"},
		{"128 bytes, all escaped", asJSON, `{"ID":"` + strings.Repeat(`\u0041`, 128) + `","segment":"s"}`, strings.Repeat("A", 128), "s"},
		{"charset", "Content-Type: application/json; charset=utf-8", `{"ID":"u1","segment":"s"}`, "u1", "s"},
		{"charset quoted, in capitals", `Content-Type: Application/JSON;charset="UTF-8"`, `{"ID":"u1","segment":"s"}`, "u1", "s"},
		{"identity encoding", "Content-Encoding: identity", `{"ID":"u1","segment":"s"}`, "u1", "s"},
		{"names that look like paths", asJSON, `{"ID":"../..","segment":"/"}`, "../..", "/"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			town := newTown()
			town.now = time.Unix(1_990_000_000, 0)
			s := serve(t, town, Options{})
			if got := s.post(t, c.contentType, c.body); got.status != 201 {
				t.Fatalf("%v", got)
			}
			if _, held := town.snapshot()[membershipKey{c.id, c.segment}]; !held {
				t.Errorf("%q in %q wanted: %v", c.id, c.segment, town.snapshot())
			}
		})
	}
}

func TestUserAndDeletes(t *testing.T) {
	s := serve(t, newTown(), Options{})
	now := s.town.now.Unix()
	// An ID that a careless path would cut to pieces.
	const id, escaped = `a/b?c#d%2F+"é`, `a%2Fb%3Fc%23d%252F+%22%C3%A9`
	quoted := strings.ReplaceAll(id, `"`, `\"`)
	for i, segment := range []string{"tennis", "a/b", "sports"} {
		body := fmt.Sprintf(`{"ID":"%s","segment":%q,"expiredSegment":%d}`, quoted, segment, now+int64(i)+1)
		if got := s.post(t, asJSON, body); got.status != 201 {
			t.Fatalf("%v", got)
		}
	}
	want := fmt.Sprintf(`{"ID":"%s","segments":[{"title":"a/b","expiredSegment":%d},{"title":"sports","expiredSegment":%d},{"title":"tennis","expiredSegment":%d}]}`,
		quoted, now+2, now+3, now+1)
	if got := s.do(t, "GET", "/users/"+escaped, ""); got.status != 200 || got.body != want {
		t.Errorf("%v\nwant %s", got, want)
	}
	steps := []struct{ method, target, want string }{
		{"DELETE", "/users/" + escaped + "/segments/a%2Fb", `{"status":"deleted"}`},
		{"DELETE", "/users/" + escaped + "/segments/a%2Fb", `{"status":"absent"}`},
		{"DELETE", "/users/" + escaped, `{"status":"erased"}`},
		{"GET", "/users/" + escaped, `{"ID":"` + quoted + `","segments":[]}`},
		{"DELETE", "/users/nobody", `{"status":"erased"}`},
	}
	for _, step := range steps {
		got := s.do(t, step.method, step.target, "")
		if got.status != 200 || got.body != step.want {
			t.Errorf("%s %s: %v, want %s", step.method, step.target, got, step.want)
		}
		if version := got.header.Get("Headcount-Version"); (version != "") != (step.method == "DELETE") {
			t.Errorf("%s %s: version %q", step.method, step.target, version)
		}
	}
}

// refusing returns a town that gives every write the outcome and the error.
func refusing(outcome Outcome, err error) *town {
	town := newTown()
	town.refuse = func(Write) (Outcome, error) { return outcome, err }
	return town
}

func TestWritesThatWereNotDoneSaySo(t *testing.T) {
	cases := []struct {
		name       string
		outcome    Outcome
		err        error
		status     int
		kind       string
		detail     string
		retryAfter string
	}{
		{"segments full", SegmentsFull, nil, 422, "segments-full", "cluster.segments_max", ""},
		{"segments full, with a failure", SegmentsFull, &Failure{Kind: Refused, Detail: "10000 segments"}, 422, "segments-full", "10000 segments", ""},
		{"outbox full", OutboxFull, nil, 503, "outbox-full", "PostgreSQL", "1"},
		{"outbox full, with a failure", OutboxFull, &Failure{Kind: NotAppliedFailure, RetryAfter: 2500 * time.Millisecond, Detail: "1 GiB waits"}, 503, "outbox-full", "1 GiB waits", "3"},
		{"not applied", NotApplied, nil, 503, "not-applied", "repeat it", "1"},
		{"not applied, soon", NotApplied, &Failure{Kind: NotAppliedFailure, RetryAfter: time.Millisecond}, 503, "not-applied", "repeat it", "1"},
		{"unknown", Unknown, nil, 504, "outcome-unknown", "safe to repeat", ""},
		{"unknown, with a failure", Unknown, &Failure{Kind: UnknownFailure, Detail: "the leader is lost"}, 504, "outcome-unknown", "the leader is lost", ""},
		{"only a failure", 0, &Failure{Kind: NotAppliedFailure, Detail: "no leader"}, 503, "not-applied", "no leader", "1"},
		{"only a wrapped failure", 0, fmt.Errorf("writing: %w", &Failure{Kind: UnknownFailure}), 504, "outcome-unknown", "safe to repeat", ""},
		{"a conflict", 0, &Failure{Kind: Refused, Detail: "read only"}, 409, "refused", "read only", ""},
		{"an unforeseen error", 0, errors.New("disk on fire"), 504, "outcome-unknown", "safe to repeat", ""},
		{"an outcome that is none", 77, nil, 504, "outcome-unknown", "safe to repeat", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, refusing(c.outcome, c.err), Options{})
			for _, got := range []reply{
				s.post(t, asJSON, `{"ID":"u1","segment":"sports"}`),
				s.do(t, "DELETE", "/users/u1/segments/sports", ""),
				s.do(t, "DELETE", "/users/u1", ""),
			} {
				p := got.problem(t, c.status)
				if p.Type != problemURN+c.kind || !strings.Contains(p.Detail, c.detail) {
					t.Errorf("%v, want %s and %q", got, c.kind, c.detail)
				}
				if retry := got.header.Get("Retry-After"); retry != c.retryAfter {
					t.Errorf("Retry-After %q, want %q", retry, c.retryAfter)
				}
				if strings.Contains(got.body, "fire") {
					t.Errorf("the reply tells of the inside: %v", got)
				}
			}
			unforeseen := c.name == "an unforeseen error" || c.name == "an outcome that is none"
			if logged := strings.Contains(s.log.String(), "level=ERROR"); logged != unforeseen {
				t.Errorf("logged as an error: %v, want %v: %s", logged, unforeseen, s.log)
			}
		})
	}
}
