package client

import (
	"maps"
	"testing"
	"time"
)

func TestVersionsAreReadAndWritten(t *testing.T) {
	for _, text := range []string{"", "0:1042", "0:1042,3:77", "2:18446744073709551615"} {
		v, err := ParseVersion(text)
		if err != nil || v.String() != text {
			t.Errorf("version %q came back as %q, %v", text, v, err)
		}
	}
	for _, text := range []string{"7", "a:1", "0:", "0:1,", "-1:3", "0:-3"} {
		if v, err := ParseVersion(text); err == nil {
			t.Errorf("version %q was read as %v", text, v)
		}
	}
}

func TestMergedVersionIncludesBoth(t *testing.T) {
	a, b := Version{0: 5, 1: 9}, Version{1: 7, 2: 3}
	if got, want := a.Merge(b), (Version{0: 5, 1: 9, 2: 3}); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := Version(nil).Merge(b); !maps.Equal(got, b) {
		t.Errorf("nothing merged with %v is %v", b, got)
	}
	if !maps.Equal(a, Version{0: 5, 1: 9}) {
		t.Errorf("merging changed its receiver: %v", a)
	}
}

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	now := time.Date(2026, 12, 6, 10, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "3": 3 * time.Second, "-3": 0, "soon": 0,
		"Sun, 06 Dec 2026 10:00:05 GMT": 5 * time.Second,
		"Sun, 06 Dec 2026 09:00:00 GMT": 0,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("Retry-After %q: %s, want %s", value, got, want)
		}
	}
}

func TestDotsAreEscaped(t *testing.T) {
	for name, want := range map[string]string{".": "%2E", "..": "%2E%2E", "...": "...", "a.b": "a.b"} {
		if got := escape(name); got != want {
			t.Errorf("%q became %q, want %q", name, got, want)
		}
	}
}
