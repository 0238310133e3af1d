package api

import (
	"bytes"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// An instant that is read is the one that the text names, and is read again from
// both forms.
func FuzzInstant(f *testing.F) {
	for _, seed := range []string{
		"0", "1796551200", "253402300799", "253402300800", "1796551200000", "007", "-1", "+1", "1e9", "", " ", "1.5",
		"2026-12-06T10:00:00Z", "2026-12-06T10:00:00+01:00", "2026-12-06T10:00:00%2B01:00", "2026-12-06T10:00:00.999999999-23:59",
		"2026-12-06t10:00:00z", "2026-12-06 10:00:00Z", "2026-12-06T10:00:00", "2026-12-06", "2026-02-29T10:00:00Z", "1969-12-31T23:59:59.5Z",
		"1970-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2026-12-06T10:00:60Z", "2026-12-06T1:00:00Z", "2026-12-06T10:00:00,5Z", "%", "%30",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		down, reason := queryInstant("at", []byte(raw), roundDown)
		up, upReason := queryInstant("at", []byte(raw), roundUp)
		if (reason == "") != (upReason == "") {
			// Only the last half second before 1970 and the last of the year 9999 differ.
			if !strings.Contains(reason+upReason, "before 1970") && !strings.Contains(reason+upReason, "year 9999") {
				t.Fatalf("%q: %q and %q", raw, reason, upReason)
			}
			return
		}
		if reason != "" {
			if !strings.HasPrefix(reason, "at ") || down != 0 || up != 0 {
				t.Fatalf("%q: %d, %q", raw, down, reason)
			}
			return
		}
		if down < 0 || up > instantMax || up < down || up > down+1 {
			t.Fatalf("%q: %d and %d", raw, down, up)
		}
		text, err := url.PathUnescape(raw)
		if err != nil {
			t.Fatalf("%q is read as %d: %v", raw, down, err)
		}
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && (n != down || n != up) {
			t.Fatalf("%q: %d and %d", raw, down, up)
		} else if err != nil {
			want, err := time.Parse(time.RFC3339, text)
			if err != nil || want.Unix() != down || (want.Nanosecond() > 0) != (up > down) {
				t.Fatalf("%q: %d and %d, want %v, %v", raw, down, up, want, err)
			}
		}
		for _, again := range []string{strconv.FormatInt(down, 10), time.Unix(down, 0).UTC().Format(time.RFC3339)} {
			if got, reason := queryInstant("at", []byte(again), roundUp); got != down || reason != "" {
				t.Fatalf("%q is %d, and %q is %d, %s", raw, down, again, got, reason)
			}
		}
	})
}

// A step that is read is what Go reads, where Go knows the units.
func FuzzStep(f *testing.F) {
	for _, seed := range []string{
		"1d", "12h", "1h30m", "90", "1d12h30m15s", "0", "0s", "00s", "1", "s", "1w", "1m1h", "1h1h", "1.5h", "-1h", "+1h", "1h ", "1h5", "",
		"253402300799", "253402300800s", "99999999999999999999d", "2932896d", "2932897d", "1D",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		seconds, reason := queryStepSeconds([]byte(text))
		if reason != "" {
			if reason != reasonStep || seconds != 0 {
				t.Fatalf("%q: %d, %s", text, seconds, reason)
			}
			return
		}
		if seconds < 1 || seconds > instantMax {
			t.Fatalf("%q: %d", text, seconds)
		}
		if got, err := time.ParseDuration(text); err == nil && got != time.Duration(seconds)*time.Second {
			t.Fatalf("%q: %d, want %v", text, seconds, got)
		}
		if again, reason := queryStepSeconds([]byte(stepText(seconds))); again != seconds || reason != "" {
			t.Fatalf("%q is %d, and %q is %d, %s", text, seconds, stepText(seconds), again, reason)
		}
	})
}

// No query is too odd: it is refused with a reason, or what it asks for is in bounds.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"", "&", "&&", "=", "titles=a,b", "titles=a&titles=b%2C,c+d", "titles=%", "titles=,", "at=1&at=2", "at=2026-12-06T10:00:00+01:00&limit=3",
		"until=9&step=1h", "from=1&to=2&consistency=linearizable", "titles=a,b,c,d,e,f,g,h,i", "consistency=local&limit=0", "x=1", "at", "%61t=1",
	} {
		f.Add(seed)
	}
	server := New(newTown(), Options{})
	f.Fuzz(func(t *testing.T, query string) {
		for i := range server.routes.served {
			route := &server.routes.served[i]
			x := &exchange{server: server, ctx: prepared("GET", "/", "", "")}
			x.route, x.query = route, []byte(query)
			ok := x.parseQuery()
			status := x.ctx.Response.StatusCode()
			if (status == 400) == ok {
				t.Fatalf("%s %q: read: %v, status %d", route.pattern, query, ok, status)
			}
			if ok {
				checkAsked(t, route, x)
			}
		}
	})
}

func checkAsked(t *testing.T, route *route, x *exchange) {
	t.Helper()
	a := x.asked
	for _, instant := range []int64{a.at, a.until, a.from, a.to} {
		if instant < 0 || instant > instantMax {
			t.Fatalf("%+v", a)
		}
	}
	if a.given&^route.query != 0 || a.limit < 0 || a.limit > limitMax || a.step < 0 || len(a.titles) > overlapTitlesMax {
		t.Fatalf("%s: %+v", route.pattern, a)
	}
	for i, title := range a.titles {
		if checkName(title) != "" || slices.ContainsFunc(a.titles[:i], func(other []byte) bool { return bytes.Equal(title, other) }) {
			t.Fatalf("%q", a.titles)
		}
	}
}

// Any titles, written as a client does, are read as they were, in both forms.
func FuzzTitles(f *testing.F) {
	f.Add("a", "b", "c")
	f.Add("New York", "a,b", "1+1=2&c")
	f.Add("100%", "é", "%2C")
	f.Fuzz(func(t *testing.T, first, second, third string) {
		titles := []string{first, second, third}
		slices.Sort(titles)
		if titles = slices.Compact(titles); len(titles) < 2 {
			t.Skip()
		}
		var escaped []string
		for _, title := range titles {
			if checkName([]byte(title)) != "" {
				t.Skip()
			}
			escaped = append(escaped, url.QueryEscape(title))
		}
		for _, query := range []string{"titles=" + strings.Join(escaped, ","), url.Values{"titles": titles}.Encode()} {
			x := &exchange{server: nil, ctx: prepared("GET", "/", "", "")}
			x.route, x.query = &route{query: queryTitles}, []byte(query)
			if !x.parseQuery() {
				t.Fatalf("%q: %s", query, x.ctx.Response.Body())
			}
			for i, title := range titles {
				if i >= len(x.asked.titles) || string(x.asked.titles[i]) != title {
					t.Fatalf("%q is read as %q", query, x.asked.titles)
				}
			}
		}
	})
}
