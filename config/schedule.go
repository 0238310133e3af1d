package config

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // time zones in an image that has none

	"github.com/netresearch/go-cron"
)

// everyMax bounds the period of "@every": a year, as @yearly.
const everyMax = 366 * day

// searchYearsMax bounds how far ahead Next looks. The rarest day there is,
// February 29, comes after eight years around 2100.
const searchYearsMax = 9

// Schedule is a set of instants, fixed by an expression and a time zone: when a
// Schedule is asked, and from which node, changes nothing. It is read-only, for
// any goroutine. The zero Schedule has no instants.
//
// Clock changes: a schedule that names hours has each wall time once. One that
// the clock skips takes place at the moment of the skip; one that the clock
// shows twice, the first time. A schedule of every hour ("*" or @hourly) goes
// on through both.
type Schedule struct {
	every     time.Duration      // if not 0: its multiples since the Unix epoch
	spec      *cron.SpecSchedule // otherwise
	location  *time.Location
	everyHour bool
}

// Days of month and of week combine as in crontab(5): if both are restricted,
// one of them is enough.
var parser = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.DowOrDom).
	WithMaxSearchYears(searchYearsMax)

// ParseSchedule reads a schedule in one of three forms:
//
//   - five cron fields: minute, hour, day of month, month, day of week;
//   - @hourly, @daily, @midnight, @weekly, @monthly, @yearly or @annually;
//   - "@every D", D in whole seconds from 1s to 366d: the multiples of D since
//     1970-01-01T00:00:00Z, in any time zone.
//
// The time zone is an IANA name such as Europe/Berlin, or UTC. A schedule
// without any instant, such as February 30, is refused.
func ParseSchedule(expr, timeZone string) (Schedule, error) {
	location, err := loadTimeZone(timeZone)
	if err != nil {
		return Schedule{}, err
	}
	if strings.Contains(expr, "TZ=") {
		return Schedule{}, errors.New("a time zone in the schedule: write it under time_zone")
	}
	if period, found := strings.CutPrefix(expr, "@every "); found {
		return parseEvery(period)
	}
	parsed, err := parser.Parse(expr)
	if err != nil {
		return Schedule{}, fmt.Errorf("%q is not a schedule (%s): write five cron fields in quotes, such as \"0 0 * * *\", or @daily or \"@every 30s\"",
			shown(expr), shown(err.Error()))
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok || spec.Minute == 0 || spec.Hour == 0 || spec.Dom == 0 || spec.Month == 0 || spec.Dow == 0 {
		return Schedule{}, fmt.Errorf("%q has an empty field: write * for every value", shown(expr))
	}
	const hours = 1<<24 - 1
	s := Schedule{spec: spec, location: location, everyHour: spec.Hour&hours == hours}
	if s.Next(time.Unix(0, 0)).IsZero() {
		return Schedule{}, fmt.Errorf("%q never comes: no such month has such a day", shown(expr))
	}
	return s, nil
}

func parseEvery(period string) (Schedule, error) {
	every, err := parseSpan(period)
	if err != nil || every < time.Second || every > everyMax || every%time.Second != 0 {
		return Schedule{}, fmt.Errorf("@every %s is not a schedule: write whole seconds from 1s to %s, such as \"@every 30s\"",
			shown(period), formatSpan(everyMax))
	}
	return Schedule{every: every}, nil
}

// loadTimeZone refuses the names whose meaning depends on the machine.
func loadTimeZone(name string) (*time.Location, error) {
	location, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		return nil, fmt.Errorf("%q is not a time zone: write an IANA name such as Europe/Berlin, or UTC", shown(name))
	}
	return location, nil
}

// Next returns the first instant after the given one, in UTC. It is the zero
// time only for the zero Schedule and beyond the calendar's end.
func (s Schedule) Next(after time.Time) time.Time {
	switch {
	case s.every > 0:
		period := int64(s.every / time.Second)
		return time.Unix((floorDiv(after.Unix(), period)+1)*period, 0).UTC()
	case s.spec == nil:
		return time.Time{}
	}
	return s.nextMatch(after)
}

// nextMatch walks from one change of the clock to the next. Between two changes
// the offset is fixed, and there the cron fields are matched: matched across a
// change, go-cron's answer would depend on where the search starts, and a day
// without midnight would be left out.
func (s Schedule) nextMatch(after time.Time) time.Time {
	spec := *s.spec
	for {
		now := after.Add(1).In(s.location) // as of the first instant that may be the next
		start, end := bounds(now)
		_, offset := now.Zone()
		if !start.IsZero() && now.Before(start.Add(s.repeated(start))) {
			after = start.Add(s.repeated(start) - 1)
			continue
		}
		spec.Location = time.FixedZone("", offset)
		next := spec.Next(after)
		switch {
		case next.IsZero(), end.IsZero(), next.Before(end):
			return next.UTC()
		case next.Before(end.Add(s.skipped(end))):
			return end.UTC()
		}
		after = end.Add(-1)
	}
}

// bounds returns a span around now without a change of the clock inside. Where a
// zone's yearly rule applies, ZoneBounds ends the year after 365 days, so on the
// last day of a leap year its end has passed.
func bounds(now time.Time) (start, end time.Time) {
	start, end = now.ZoneBounds()
	if !end.IsZero() && !end.After(now) {
		end = now.Truncate(day).Add(day)
	}
	return start, end
}

// repeated returns how much wall time the change of the clock at that instant
// shows again, and skipped how much it leaves out, as far as s heeds it.
func (s Schedule) repeated(change time.Time) time.Duration { return max(0, -s.forward(change)) }
func (s Schedule) skipped(change time.Time) time.Duration  { return max(0, s.forward(change)) }

func (s Schedule) forward(change time.Time) time.Duration {
	if s.everyHour {
		return 0
	}
	_, before := change.Add(-1).In(s.location).Zone()
	_, after := change.In(s.location).Zone()
	return time.Duration(after-before) * time.Second
}

// floorDiv rounds down, where Go's division rounds towards zero.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
