package api

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// many returns n records, one each of the users prefix0 to prefix(n-1).
func many(n int, prefix string) []string {
	records := make([]string, n)
	for i := range records {
		records[i] = fmt.Sprintf(`{"ID":"%s%d","segment":"sports"}`, prefix, i)
	}
	return records
}

func asArray(records []string) string { return "[" + strings.Join(records, ",") + "]" }

func TestNDJSONCountsEachRecord(t *testing.T) {
	s := serve(t, newTown(), Options{})
	now := s.town.now.Unix()
	body := strings.Join([]string{
		`{"ID":"u1","segment":"sports"}`,
		``,
		"  \t",
		`{"ID":"u1","segment":"sports"}` + "\r",
		fmt.Sprintf(`{"ID":"u1","segment":"sports","expiredSegment":%d}`, now+30*24*3600),
		`{"ID":"u2","segment":"sports","expiredSegment":7}`,
		`{"ID":"u3","segment":`,
		`[{"ID":"u3","segment":"sports"}]`,
		`{"ID":"` + strings.Repeat("x", 5000) + `","segment":"sports"}`,
		`{"ID":"u3","segment":"sports","expiredSegment":99999999999999}`,
		`{"ID":"u4","segment":"sports"}`,
	}, "\n")
	got := s.post(t, asNDJSON, body)
	const want = `{"created":2,"renewed":1,"unchanged":1,"expired":1,"rejected":4,"rejections":[` +
		`{"record":5,"reason":"segment must be a string in double quotes (at byte 22)"},` +
		`{"record":6,"reason":"this is not a JSON object: send one in braces (at byte 1)"},` +
		`{"record":7,"reason":"the record is longer than 4096 bytes: shorten it"},` +
		`{"record":8,"reason":"expiredSegment is too far ahead: give Unix seconds, not milliseconds, within the longest lifetime (400 days unless set otherwise) (at byte 48)"}]}`
	if got.status != 200 || got.body != want {
		t.Errorf("%v\nwant %s", got, want)
	}
	if version := got.header.Get("Headcount-Version"); version != "0:2,1:3" {
		t.Errorf("version %q, want the highest index of each shard", version)
	}
}

func TestEmptyBulkBodiesAreFine(t *testing.T) {
	s := serve(t, newTown(), Options{})
	for _, got := range []reply{
		s.post(t, asNDJSON, ""), s.post(t, asNDJSON, "\n\n\r\n"), s.post(t, asJSON, " [ ] "),
	} {
		if got.status != 200 || got.body != `{"created":0,"renewed":0,"unchanged":0,"expired":0,"rejected":0,"rejections":[]}` {
			t.Errorf("%v", got)
		}
	}
	if chunks := s.town.chunkSizes(); len(chunks) != 0 {
		t.Errorf("the service was bothered with nothing: %v", chunks)
	}
}

func TestArrayRejectsElementsAndGoesOn(t *testing.T) {
	s := serve(t, newTown(), Options{})
	body := ` [ {"ID":"u1","segment":"a"} , 17, null, {"ID":"\ud800","segment":"a"}, {"x":[[{}]]}, "text",` +
		`{"ID":"u2","segment":"a\u00e9"}, -1.5e+3, [true,false], {"ID":"u3","segment":"b"} ] ` + "\n"
	var got bulkDocument
	r := s.post(t, asJSON, body)
	r.decode(t, &got)
	if r.status != 200 || got.Created != 3 || got.Rejected != 7 || len(got.Rejections) != 7 {
		t.Fatalf("%v", r)
	}
	var numbers []uint64
	for _, rejection := range got.Rejections {
		numbers = append(numbers, rejection.Record)
	}
	if want := []uint64{2, 3, 4, 5, 6, 8, 9}; !slices.Equal(numbers, want) {
		t.Errorf("rejected %v, want %v", numbers, want)
	}
	if _, held := s.town.snapshot()[membershipKey{"u2", "aé"}]; !held {
		t.Errorf("u2 is lost: %v", s.town.snapshot())
	}
}

func TestArrayFaultTellsWhatWasApplied(t *testing.T) {
	s := serve(t, newTown(), Options{})
	got := s.post(t, asJSON, `[{"ID":"u1","segment":"a"},{"ID":"u2"},{"ID":"u3","segment":"a"},{"ID":"u4","segment":"a"]`)
	p := got.problem(t, 400)
	if p.Created != 2 || p.Rejected != 1 || p.NotApplied != 0 || p.Unknown != 0 {
		t.Errorf("counts: %v", got)
	}
	if want := "record 4: a comma or a closing brace must follow the value (at byte 90); of the 3 records before, 2 were applied"; !strings.Contains(p.Detail, want) {
		t.Errorf("%v, want %q", got, want)
	}
	if len(s.town.snapshot()) != 2 {
		t.Errorf("%v", s.town.snapshot())
	}
	if got.header.Get("Headcount-Version") == "" {
		t.Errorf("no version for what was applied: %v", got)
	}
}

func TestBulkIsHandedOverInChunks(t *testing.T) {
	long := strings.Repeat("x", 100)
	for name, body := range map[string]struct {
		contentType, body string
		records           int
	}{
		"by records":         {asNDJSON, strings.Join(many(10_000, "u"), "\n"), 10_000},
		"by bytes":           {asNDJSON, strings.Join(many(9_000, long), "\n") + "\n", 9_000},
		"an array by bytes":  {asJSON, asArray(many(9_000, long)), 9_000},
		"an array by spaces": {asJSON, "[" + strings.Join(many(300, "u"), ","+strings.Repeat(" ", 10_000)) + "]", 300},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, newTown(), Options{BulkBodyBytesMax: 16 << 20})
			var got bulkDocument
			r := s.post(t, body.contentType, body.body)
			r.decode(t, &got)
			if r.status != 200 || got.Created != uint64(body.records) {
				t.Fatalf("%v", r)
			}
			chunks, sum := s.town.chunkSizes(), 0
			for _, size := range chunks {
				if size > ChunkRecordsMax {
					t.Errorf("a chunk of %d records", size)
				}
				sum += size
			}
			if least := max(len(body.body)/ChunkBytesMax, body.records/ChunkRecordsMax); len(chunks) < least || sum != body.records {
				t.Errorf("%d records in the chunks %v", body.records, chunks)
			}
		})
	}
}

func TestBulkOverChunkedTransfer(t *testing.T) {
	s := serve(t, newTown(), Options{})
	records := many(5000, "u")
	for contentType, body := range map[string]string{
		"application/x-ndjson": strings.Join(records, "\r\n"),
		"application/json":     asArray(records),
	} {
		// A reader of unknown length makes net/http send chunks.
		response, err := http.Post("http://"+s.address+"/users", contentType, io.MultiReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != 200 {
			t.Fatalf("%v %s, %v", response.Status, text, err)
		}
		if !strings.Contains(string(text), `"rejected":0`) {
			t.Errorf("%s", text)
		}
	}
	if held := len(s.town.snapshot()); held != len(records) {
		t.Errorf("%d of %d are held", held, len(records))
	}
}

func TestRejectionsAreTheFirstHundred(t *testing.T) {
	town := newTown()
	town.segmentsMax = 1
	s := serve(t, town, Options{})
	var lines []string
	for i := range 300 {
		// Every third is malformed, every third in a segment too many.
		lines = append(lines, `{"ID":"u","segment":"a"}`, `{`, fmt.Sprintf(`{"ID":"u%d","segment":"b"}`, i))
	}
	var got bulkDocument
	r := s.post(t, asNDJSON, strings.Join(lines, "\n"))
	r.decode(t, &got)
	if r.status != 200 || got.Rejected != 600 || got.Created+got.Unchanged != 300 || len(got.Rejections) != 100 {
		t.Fatalf("%d rejected, %d named: %.300v", got.Rejected, len(got.Rejections), r)
	}
	for i, rejection := range got.Rejections {
		if want := uint64(i/2*3 + i%2 + 2); rejection.Record != want {
			t.Fatalf("rejection %d is of record %d, want %d", i, rejection.Record, want)
		}
		if full := strings.Contains(rejection.Reason, "segments_max"); full != (i%2 == 1) {
			t.Errorf("record %d: %s", rejection.Record, rejection.Reason)
		}
	}
}

func TestBulkStopsWhereItWasNotApplied(t *testing.T) {
	failing := func(outcome Outcome, err error, from int) *town {
		town, seen := newTown(), 0
		town.refuse = func(Write) (Outcome, error) {
			if seen++; seen > from {
				return outcome, err
			}
			return 0, nil
		}
		return town
	}
	cases := []struct {
		name       string
		town       *town
		status     int
		kind       string
		applied    uint64
		notApplied uint64
		unknown    uint64
		retryAfter string
	}{
		{"nothing applied", failing(NotApplied, nil, 0), 503, "not-applied", 0, 4096, 0, "1"},
		{"outbox full at once", failing(OutboxFull, &Failure{Kind: NotAppliedFailure, RetryAfter: 9 * time.Second}, 0), 503, "outbox-full", 0, 4096, 0, "9"},
		{"outbox full in the middle", failing(OutboxFull, &Failure{Kind: NotAppliedFailure, RetryAfter: 9 * time.Second}, 5000), 504, "partly-applied", 5000, 3192, 0, "9"},
		{"the last of a chunk", failing(NotApplied, nil, 4095), 504, "partly-applied", 4095, 1, 0, ""},
		{"unknown", failing(Unknown, &Failure{Kind: UnknownFailure, Detail: "lost"}, 4096), 504, "outcome-unknown", 4096, 0, 4096, ""},
		{"an outcome that is none", failing(99, nil, 10), 504, "outcome-unknown", 10, 0, 4086, ""},
		{"an unforeseen error", failing(Created, io.ErrClosedPipe, 0), 504, "outcome-unknown", 4096, 0, 0, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, c.town, Options{})
			got := s.post(t, asNDJSON, strings.Join(many(20_000, "u"), "\n"))
			p := got.problem(t, c.status)
			if p.Type != problemURN+c.kind || !strings.Contains(p.Detail, "safe to send the whole body again") {
				t.Errorf("%v, want %s", got, c.kind)
			}
			if p.Created != c.applied || p.NotApplied != c.notApplied || p.Unknown != c.unknown {
				t.Errorf("%v, want %d applied, %d not, %d unknown", got, c.applied, c.notApplied, c.unknown)
			}
			if retry := got.header.Get("Retry-After"); retry != c.retryAfter {
				t.Errorf("Retry-After %q, want %q", retry, c.retryAfter)
			}
			s.alive(t)
		})
	}
}

func TestBulkBodyOverTheLimit(t *testing.T) {
	s := serve(t, newTown(), Options{BulkBodyBytesMax: 300_000, BodyBytesMax: 1000})
	records := many(20_000, "u")
	body := strings.Join(records, "\n")
	// Declared, it is refused before anything is read of it.
	s.post(t, asNDJSON, body).problem(t, 413)
	if held := len(s.town.snapshot()); held != 0 {
		t.Fatalf("%d were applied", held)
	}
	// In chunks of HTTP, it is refused when the limit is reached.
	for contentType, body := range map[string]string{asNDJSON: body, asJSON: asArray(records)} {
		got := s.raw(t, "POST", fmt.Sprintf("POST /users HTTP/1.1\r\nHost: h\r\n%s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
			contentType, len(body), body))
		p := got.problem(t, 413)
		if applied := p.Created + p.Unchanged; applied < 8000 || applied > 9000 {
			t.Errorf("%d applied of 300,000 bytes: %v", applied, got)
		}
	}
	// A single record has the smaller limit, declared or not.
	single := `{"ID":"u1","segment":"s"` + strings.Repeat(" ", 1000) + "}"
	s.post(t, asJSON, single).problem(t, 413)
	s.raw(t, "POST", fmt.Sprintf("POST /users HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
		len(single), single)).problem(t, 413)
	s.post(t, asJSON, strings.Repeat(" ", 2000)).problem(t, 413)
}
