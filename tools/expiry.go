package tools

import (
	"strconv"
	"strings"
	"time"
)

// expiryForms are the ways in which an expiry may be written, besides Unix seconds.
// Those without an offset are in the zone that the user names.
var expiryForms = []string{
	time.RFC3339, // with or without a fraction, as all that end in seconds
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05Z07",
	"2006-01-02T15:04:05",
	"2006-01-02 15:04:05",
	"2006-01-02",
}

const (
	problemNoExpiry  = "it has no expiry: give each membership one, since an import that is repeated would otherwise prolong it"
	problemBadExpiry = "its expiry is no instant: write Unix seconds, or like 2026-12-06T10:00:00Z, or like 2026-12-06 10:00:00 with --timezone"
)

// parseExpiry reads an expiry, and says why it is none, or "".
func parseExpiry(text string, zone *time.Location) (seconds int64, problem string) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, problemNoExpiry
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return checkExpiry(seconds)
	}
	for _, form := range expiryForms {
		if at, err := time.ParseInLocation(form, text, zone); err == nil {
			return checkExpiry(wholeSeconds(at))
		}
	}
	return 0, problemBadExpiry
}

// wholeSeconds counts a part of a second as a whole one: then what has not ended at a
// whole second has not ended there before either.
func wholeSeconds(at time.Time) int64 { return at.Add(time.Second - time.Nanosecond).Unix() }

// checkExpiry refuses what the API cannot be given: 0 would be no expiry there.
func checkExpiry(seconds int64) (int64, string) {
	if seconds <= 0 {
		return 0, "its expiry lies before 1970"
	}
	return seconds, ""
}
