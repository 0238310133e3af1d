package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	hostBytesMax      = 253 // DNS
	directoryBytesMax = 1024
)

var (
	namePattern = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,64}$`)
	hostPattern = regexp.MustCompile(`^[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9_])?(\.[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9_])?)*$`)
)

func checkName(s string) error {
	if !namePattern.MatchString(s) {
		return fmt.Errorf("is %q: write 1 to 64 of a-z A-Z 0-9 . _ -", shown(s))
	}
	return nil
}

// checkNodeID also keeps out the two names that lead out of a directory.
func checkNodeID(s string) error {
	if s == "." || s == ".." {
		return fmt.Errorf("is %q, which is no name for a data directory: write one such as n1", s)
	}
	return checkName(s)
}

// checkAddress wants host:port that others can dial.
func checkAddress(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is not host:port: write one such as 127.0.0.1:8010 or [::1]:8010", shown(s))
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != port {
		return fmt.Errorf("%q is not a port: write a number from 1 to 65535", shown(port))
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.IsUnspecified() {
			return fmt.Errorf("%s stands for all addresses, but others dial this one: write the host's own", host)
		}
		return nil
	}
	// A last label of digits alone is a mistyped IP address, not a name.
	lastLabel := host[strings.LastIndexByte(host, '.')+1:]
	_, numeric := strconv.Atoi(lastLabel)
	if len(host) > hostBytesMax || numeric == nil || !hostPattern.MatchString(host) {
		return fmt.Errorf("%q is neither an IP address nor a host name: write one in front of the port", shown(host))
	}
	return nil
}

// sameListener returns address in a form that is equal for the same listener,
// as far as that can be told without asking DNS.
func sameListener(address string) string {
	host, port, _ := net.SplitHostPort(address) // checked before
	host = strings.ToLower(host)
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	}
	return net.JoinHostPort(host, port)
}

func checkDirectory(s string) error {
	if s == "" || len(s) > directoryBytesMax || strings.ContainsFunc(s, func(char rune) bool { return char < ' ' }) {
		return fmt.Errorf("is %q: write a directory, or take the line out for data/<id>", shown(s))
	}
	return nil
}

// checkPostgresURL accepts an empty URL. What it returns repeats nothing of s,
// which may hold a password.
func checkPostgresURL(s string) error {
	if s == "" {
		return nil
	}
	parsed, err := url.Parse(s)
	if err != nil || (parsed.Scheme != "postgres" && parsed.Scheme != "postgresql") {
		return errors.New("is not a PostgreSQL URL: write postgres://user:password@host:5432/database, " +
			"with special characters of the password as %40 and the like")
	}
	return nil
}

func checkSchedule(s string) error {
	_, err := ParseSchedule(s, "UTC")
	return err
}

func checkTimeZone(s string) error {
	_, err := loadTimeZone(s)
	return err
}

func oneOf(words ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(words, s) {
			return fmt.Errorf("is %q: write %s", shown(s), strings.Join(words, " or "))
		}
		return nil
	}
}
