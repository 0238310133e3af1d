package api

import (
	"strconv"
	"time"
)

const (
	// instantMax is the last second of the year 9999, the last that RFC 3339 can
	// write: a number beyond it is not in seconds.
	instantMax = 253402300799

	// instantBytesMax is longer than any instant with its escapes: 35 characters of
	// RFC 3339 with nanoseconds and an offset, 3 bytes each.
	instantBytesMax = 105
)

// The reasons for which an instant or a step is refused; the parameter's name comes
// before them.
const (
	reasonInstant     = " must be Unix seconds or RFC 3339, such as 1796551200 or 2026-12-06T10:00:00Z"
	reasonInstantFar  = " is after the year 9999: give Unix seconds, not milliseconds"
	reasonInstantPast = " is before 1970: give a later one"
	reasonStep        = "step must be a length of time from one second up, such as 1d, 12h, 1h30m or 90 (seconds)"
)

// rounding says which whole second stands for an instant with a fraction. Nothing
// changes within a second, so rounding the right way is exact.
type rounding bool

const (
	roundDown rounding = false // what is counted at it, and the end of a range
	roundUp   rounding = true  // the beginning of a range
)

// queryInstant reads the value of a parameter that is an instant. In it, a plus sign
// is a plus sign: it leads the offset of RFC 3339.
func queryInstant(name string, raw []byte, r rounding) (seconds int64, reason string) {
	var buffer [instantBytesMax]byte
	text, ok := unescapePath(buffer[:0], raw[:min(len(raw), instantBytesMax)])
	if !ok || len(raw) > instantBytesMax {
		return 0, name + reasonInstant
	}
	if seconds, reason = parseInstant(text, r); reason != "" {
		reason = name + reason
	}
	return seconds, reason
}

// parseInstant reads Unix seconds or RFC 3339, from 1970 to the year 9999.
func parseInstant(text []byte, r rounding) (seconds int64, reason string) {
	if n, rest, ok := cutNumber(text, instantMax); ok && len(rest) == 0 {
		return int64(n), ""
	}
	if isDigits(text) && text[0] != '0' {
		return 0, reasonInstantFar
	}
	var t time.Time
	// Stricter than time.Parse, which takes hours of one digit and commas.
	if err := t.UnmarshalText(text); err != nil {
		return 0, reasonInstant
	}
	seconds = t.Unix() // rounds down
	if r == roundUp && t.Nanosecond() > 0 {
		seconds++
	}
	switch {
	case seconds < 0:
		return 0, reasonInstantPast
	case seconds > instantMax:
		return 0, reasonInstantFar
	}
	return seconds, ""
}

func isDigits(text []byte) bool {
	for _, b := range text {
		if !isDigit(b) {
			return false
		}
	}
	return len(text) > 0
}

// stepUnits are the units of a step in seconds, in the order in which they may come.
var stepUnits = [...]struct {
	letter  byte
	seconds uint64
}{{'d', 24 * 60 * 60}, {'h', 60 * 60}, {'m', 60}, {'s', 1}}

// queryStepSeconds reads a length of time: seconds, or numbers with units, the
// largest first and each once. The result is from 1 to instantMax.
func queryStepSeconds(text []byte) (seconds int64, reason string) {
	n, rest, ok := cutNumber(text, instantMax)
	if ok && len(rest) == 0 && n > 0 {
		return int64(n), ""
	}
	total, next := uint64(0), 0
	for ok && len(rest) > 0 {
		for next < len(stepUnits) && stepUnits[next].letter != rest[0] {
			next++
		}
		if next == len(stepUnits) || n > instantMax/stepUnits[next].seconds {
			return 0, reasonStep
		}
		total += n * stepUnits[next].seconds
		next++
		if rest = rest[1:]; len(rest) == 0 {
			if total == 0 || total > instantMax {
				break
			}
			return int64(total), ""
		}
		n, rest, ok = cutNumber(rest, instantMax)
	}
	return 0, reasonStep
}

// stepText writes a step in its largest unit, so that it reads back the same.
func stepText(seconds int64) string {
	for _, unit := range stepUnits {
		if seconds%int64(unit.seconds) == 0 {
			return strconv.FormatInt(seconds/int64(unit.seconds), 10) + string(unit.letter)
		}
	}
	return strconv.FormatInt(seconds, 10)
}
