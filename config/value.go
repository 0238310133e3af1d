package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// value is a key that holds one value: parse's error says what is wrong with it
// and what to write instead.
func value[T any](name string, target *T, parse func(*yaml.Node) (T, error)) key {
	return key{name: name, read: func(r *reader, path string, node *yaml.Node) {
		parsed, err := parse(node)
		switch {
		case isNull(node):
			r.refuse(r.lines[path], path, "no value: give one, or take the line out for the default")
		case err != nil:
			r.refuse(r.lines[path], path, "%v", err)
		default:
			*target = parsed
		}
	}}
}

// text is any string that passes check.
func text(name string, target *string, check func(string) error) key {
	return value(name, target, func(node *yaml.Node) (string, error) {
		if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!str" {
			return "", fmt.Errorf("is %s, not text: write it in quotes", kindOf(node))
		}
		return node.Value, check(node.Value)
	})
}

// number is a whole decimal number.
func number(name string, target *int, least, most int) key {
	return value(name, target, func(node *yaml.Node) (int, error) {
		n, err := strconv.Atoi(node.Value)
		// 010 is eight to some and ten to others: only the plain form is a number.
		plain := err == nil && node.ShortTag() == "!!int" && strconv.Itoa(n) == node.Value
		if !plain || n < least || n > most {
			return 0, fmt.Errorf("is %s: write a whole number from %d to %d", kindOf(node), least, most)
		}
		return n, nil
	})
}

// size is a number of bytes, with KiB, MiB or GiB or none.
func size[T int | int64](name string, target *T, least, most int64) key {
	return value(name, target, func(node *yaml.Node) (T, error) {
		n, err := parseBytes(node.Value)
		if node.Kind != yaml.ScalarNode || err != nil || n < least || n > most {
			return 0, fmt.Errorf("is %s: write bytes, or a whole number with KiB, MiB or GiB, from %s to %s",
				kindOf(node), formatBytes(least), formatBytes(most))
		}
		return T(n), nil
	})
}

// span is a length of time.
func span(name string, target *time.Duration, least, most time.Duration) key {
	return value(name, target, spanBetween(least, most))
}

func spanBetween(least, most time.Duration) func(*yaml.Node) (time.Duration, error) {
	return func(node *yaml.Node) (time.Duration, error) {
		d, err := parseSpan(node.Value)
		if node.Kind != yaml.ScalarNode || err != nil || d < least || d > most {
			return 0, fmt.Errorf("is %s: write a number with ms, s, m, h or d, from %s to %s",
				kindOf(node), formatSpan(least), formatSpan(most))
		}
		return d, nil
	}
}

func wholeSeconds(least, most time.Duration) func(*yaml.Node) (time.Duration, error) {
	parse := spanBetween(least, most)
	return func(node *yaml.Node) (time.Duration, error) {
		d, err := parse(node)
		if err == nil && d%time.Second != 0 {
			err = fmt.Errorf("is %s: write whole seconds, such as %s", kindOf(node), formatSpan(d.Truncate(time.Second)))
		}
		return d, err
	}
}

var errSyntax = errors.New("not in the expected form")

// parseSpan reads Go's syntax with d for days in front: 500ms, 1h30m, 14d, 1d12h.
func parseSpan(s string) (time.Duration, error) {
	days, rest, found := strings.Cut(s, "d")
	if !found {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseUint(days, 10, 16) // 65,535 days fit a Duration
	if err != nil {
		return 0, errSyntax
	}
	total := time.Duration(n) * day
	if rest == "" {
		return total, nil
	}
	part, err := time.ParseDuration(rest)
	if err != nil || part < 0 || part >= day {
		return 0, errSyntax
	}
	return total + part, nil
}

// formatSpan is the shortest form that parseSpan reads back.
func formatSpan(d time.Duration) string {
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// units of parseBytes and formatBytes, largest first.
var units = []struct {
	name  string
	bytes int64
}{{"GiB", gib}, {"MiB", mib}, {"KiB", kib}}

func parseBytes(s string) (int64, error) {
	scale := int64(1)
	for _, unit := range units {
		if number, found := strings.CutSuffix(s, unit.name); found {
			s, scale = strings.TrimSuffix(number, " "), unit.bytes
			break
		}
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || int64(n) > math.MaxInt64/scale {
		return 0, errSyntax
	}
	return int64(n) * scale, nil
}

func formatBytes(n int64) string {
	for _, unit := range units {
		if n >= unit.bytes && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}
