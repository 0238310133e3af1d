package config_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"headcount/config"
)

func schedule(t testing.TB, expr, timeZone string) config.Schedule {
	t.Helper()
	s, err := config.ParseSchedule(expr, timeZone)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNext(t *testing.T) {
	for _, tc := range []struct{ expr, timeZone, after, want string }{
		{"0 0 * * *", "UTC", "2026-03-28T00:00:00Z", "2026-03-29T00:00:00Z"},
		{"0 0 * * *", "UTC", "2026-03-27T23:59:59.999Z", "2026-03-28T00:00:00Z"},
		{"@daily", "Europe/Berlin", "2026-01-01T12:00:00Z", "2026-01-01T23:00:00Z"},
		{"@hourly", "UTC", "2026-01-01T12:00:01Z", "2026-01-01T13:00:00Z"},
		{"@weekly", "UTC", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"},
		{"@yearly", "UTC", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},

		// Months end.
		{"0 0 31 * *", "UTC", "2026-01-31T00:00:00Z", "2026-03-31T00:00:00Z"},
		{"@monthly", "UTC", "2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},
		{"30 23 30 4 *", "Europe/Berlin", "2026-04-30T21:29:59Z", "2026-04-30T21:30:00Z"},

		// Both days restricted: either is enough, as in crontab(5).
		{"0 0 13 * 5", "UTC", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"},
		{"0 0 13 * 5", "UTC", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z"},

		// Berlin, March 29: from 01:00Z on it is 03:00, not 02:00.
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z"},
		{"30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
		{"30 3 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"},
		{"30 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"},

		// Berlin, October 25: from 01:00Z on it is 02:00 again.
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T01:00:00Z", "2026-10-25T00:30:00Z"},
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z"},
		{"30 * * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},

		// Cairo, April 25, 2025 and April 24, 2026 have no midnight: they start at 01:00.
		{"0 0 * * *", "Africa/Cairo", "2025-04-23T22:00:00Z", "2025-04-24T22:00:00Z"},
		{"0 1 24 4 *", "Africa/Cairo", "2025-04-24T10:00:00Z", "2026-04-23T22:00:00Z"},

		// The last day of a leap year, and what follows.
		{"0 0 20 2 *", "Europe/Berlin", "2040-12-31T12:00:00Z", "2041-02-19T23:00:00Z"},
		{"0 12 31 12 *", "Europe/Berlin", "2040-12-30T23:00:00Z", "2040-12-31T11:00:00Z"},
		{"0 0 1 1 *", "America/Santiago", "2044-12-31T00:00:00Z", "2045-01-01T03:00:00Z"},

		// Multiples since 1970, in no time zone.
		{"@every 30s", "Europe/Berlin", "2026-01-01T00:00:00Z", "2026-01-01T00:00:30Z"},
		{"@every 7s", "UTC", "1970-01-01T00:00:00Z", "1970-01-01T00:00:07Z"},
		{"@every 7s", "UTC", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z"},
		{"@every 7s", "UTC", "1969-12-31T23:59:52.5Z", "1969-12-31T23:59:53Z"},
		{"@every 1d", "Europe/Berlin", "2026-01-01T23:59:59Z", "2026-01-02T00:00:00Z"},
	} {
		after, err := time.Parse(time.RFC3339, tc.after)
		if err != nil {
			t.Fatal(err)
		}
		if got := schedule(t, tc.expr, tc.timeZone).Next(after).Format(time.RFC3339Nano); got != tc.want {
			t.Errorf("%s in %s after %s: got %s, want %s", tc.expr, tc.timeZone, tc.after, got, tc.want)
		}
	}
}

// The model walks through every minute of a year, as a clock on the wall would.
func TestNextMatchesAWallClock(t *testing.T) {
	expressions := []struct {
		expr      string
		everyHour bool
		due       func(wall time.Time) bool
	}{
		{"0 0 * * *", false, func(w time.Time) bool { return w.Hour() == 0 && w.Minute() == 0 }},
		{"30 2 * * *", false, func(w time.Time) bool { return w.Hour() == 2 && w.Minute() == 30 }},
		{"*/15 1-3 * * *", false, func(w time.Time) bool { return w.Minute()%15 == 0 && w.Hour() >= 1 && w.Hour() <= 3 }},
		{"45 23 31 * *", false, func(w time.Time) bool { return w.Hour() == 23 && w.Minute() == 45 && w.Day() == 31 }},
		{"*/20 * * * 0", true, func(w time.Time) bool { return w.Minute()%20 == 0 && w.Weekday() == time.Sunday }},
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for _, timeZone := range []string{"UTC", "Europe/Berlin", "Africa/Cairo", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu"} {
		for i, e := range expressions {
			year := []int{2025, 2040}[i%2] // both sides of 2037, where some tables of changes end
			start := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
			end := start.AddDate(1, 0, 0)
			want := wallClock(t, timeZone, start, end, e.everyHour, e.due)
			if len(want) < 6 {
				t.Fatalf("the model of %s has only %d instants", e.expr, len(want))
			}
			s := schedule(t, e.expr, timeZone)
			at := start.Add(-1)
			for _, instant := range want {
				if at = s.Next(at); !at.Equal(instant) {
					t.Fatalf("%s in %s: got %v, want %v", e.expr, timeZone, at, instant)
				}
			}
			// Where the search starts changes nothing.
			for range 500 {
				after := start.Add(time.Duration(random.Int64N(int64(want[len(want)-1].Sub(start)))))
				i, exact := slices.BinarySearchFunc(want, after, time.Time.Compare)
				if exact {
					i++
				}
				if got := s.Next(after); !got.Equal(want[i]) {
					t.Fatalf("%s in %s after %v: got %v, want %v (seed %d)", e.expr, timeZone, after, got, want[i], seed)
				}
			}
		}
	}
}

// wallClock returns the instants in [start, end) at which a clock in that time
// zone shows a wall time that is due: a time shown twice the first time only, a
// skipped one at the skip, unless the schedule is one of every hour.
func wallClock(t *testing.T, timeZone string, start, end time.Time, everyHour bool, due func(time.Time) bool) []time.Time {
	t.Helper()
	location, err := time.LoadLocation(timeZone)
	if err != nil {
		t.Fatal(err)
	}
	wallOf := func(at time.Time) time.Time {
		_, offset := at.In(location).Zone()
		return at.Add(time.Duration(offset) * time.Second) // in UTC, so that it never jumps
	}
	var instants []time.Time
	latest := wallOf(start.Add(-time.Minute))
	for at := start; at.Before(end); at = at.Add(time.Minute) {
		wall := wallOf(at)
		if everyHour {
			if due(wall) {
				instants = append(instants, at)
			}
			continue
		}
		found := false
		for ; latest.Before(wall); latest = latest.Add(time.Minute) {
			found = found || due(latest.Add(time.Minute))
		}
		if found {
			instants = append(instants, at)
		}
	}
	return instants
}

func TestScheduleIsRefused(t *testing.T) {
	for expr, want := range map[string]string{
		"":                        "is not a schedule",
		"0 0 * *":                 "is not a schedule",
		"0 0 0 * * *":             "is not a schedule", // no seconds
		"60 0 * * *":              "is not a schedule",
		"H 0 * * *":               "is not a schedule",
		"@noon":                   "is not a schedule",
		"@every":                  "is not a schedule",
		"@every 0s":               "is not a schedule",
		"@every -5s":              "is not a schedule",
		"@every 1500ms":           "is not a schedule",
		"@every 367d":             "is not a schedule",
		"@every 90":               "is not a schedule",
		", 0 * * *":               "empty field",
		"TZ=UTC 0 0 * * *":        "write it under time_zone",
		"CRON_TZ=UTC @every 5s":   "write it under time_zone",
		"0 0 30 2 *":              "never comes",
		"0 0 31 2,4,6,9,11 *":     "never comes",
		strings.Repeat("1,", 9e3): "is not a schedule",
	} {
		if _, err := config.ParseSchedule(expr, "UTC"); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 500 {
			t.Errorf("%.40q: got %v, want %q", expr, err, want)
		}
	}
	for _, timeZone := range []string{"", "Local", "Mars/Olympus", "../etc/passwd"} {
		if _, err := config.ParseSchedule("@daily", timeZone); err == nil || !strings.Contains(err.Error(), "is not a time zone") {
			t.Errorf("time zone %q: got %v", timeZone, err)
		}
	}
}

func TestZeroScheduleNeverComes(t *testing.T) {
	if at := (config.Schedule{}).Next(time.Now()); !at.IsZero() {
		t.Errorf("got %v", at)
	}
}

// FuzzSchedule wants instants that increase and that do not depend on where
// between two of them the search starts.
func FuzzSchedule(f *testing.F) {
	for _, expr := range []string{"0 0 * * *", "@every 7s", "@weekly", "*/7 2 29 2 1", "5-50/9 0,23 1-7 * MON", "? ? 31 * *", "0 0 30 2 *"} {
		f.Add(expr, "Europe/Berlin", int64(1_774_746_000), uint8(100))
		f.Add(expr, "Antarctica/Troll", int64(1_792_890_000), uint8(200))
	}
	f.Fuzz(func(t *testing.T, expr, timeZone string, unix int64, part uint8) {
		s, err := config.ParseSchedule(expr, timeZone)
		if err != nil {
			return
		}
		after := time.Unix(unix&(1<<32-1), 0) // 1970 to 2106
		for range 20 {
			next := s.Next(after)
			if !next.After(after) {
				t.Fatalf("%q in %s: %v after %v", expr, timeZone, next, after)
			}
			between := after.Add(next.Sub(after) / 256 * time.Duration(part))
			if !s.Next(between).Equal(next) {
				t.Fatalf("%q in %s: %v after %v, but %v after %v", expr, timeZone, next, after, s.Next(between), between)
			}
			after = next
		}
	})
}
