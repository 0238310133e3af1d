package tools

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"headcount/client"
)

// lineBytesMax bounds a line: IDs and titles have at most 128 bytes, of which each may be
// written in six characters.
const lineBytesMax = 64 << 10

// Lines are memberships as the API takes them in bulk: an object a line.
type Lines struct {
	From io.Reader
	Path string         // for Name
	Zone *time.Location // of expiries without an offset
}

// Name is the file's.
func (l *Lines) Name() string { return "ndjson " + l.Path }

// Estimate knows nothing.
func (l *Lines) Estimate(context.Context) int64 { return -1 }

// lineRecord leaves the expiry as it is written: a number, or an instant as text.
type lineRecord struct {
	ID      string          `json:"ID"`
	Segment string          `json:"segment"`
	Expiry  json.RawMessage `json:"expiredSegment"`
}

// Read implements [Source]. Empty lines are passed over. A mark is a line's number.
func (l *Lines) Read(ctx context.Context, mark string, take func(Found) error) error {
	after, err := parseMark(mark)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(l.From)
	lines.Buffer(make([]byte, 0, lineBytesMax), lineBytesMax)
	number := int64(0)
	for lines.Scan() {
		number++
		if number <= after || len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		found := l.decode(lines.Bytes())
		found.Place, found.Mark = fmt.Sprintf("line %d", number), strconv.FormatInt(number, 10)
		if err := take(found); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("line %d has more than %d bytes: is it NDJSON, one object a line?", number+1, lineBytesMax)
	}
	return lines.Err()
}

// These refuse what would otherwise be made another user's name.
const (
	problemNotUTF8   = "it is not valid UTF-8"
	problemSurrogate = "there is half a surrogate pair: escape a character beyond U+FFFF as two halves"
)

// replaced reports whether names hold more replacement characters than the line they come
// from: in the place of half a surrogate pair.
func replaced(line []byte, names string) bool {
	const replacement = string(utf8.RuneError)
	n := strings.Count(names, replacement)
	return n > 0 && n > bytes.Count(line, []byte(replacement))+bytes.Count(bytes.ToLower(line), []byte(`\ufffd`))
}

func (l *Lines) decode(line []byte) (found Found) {
	if !utf8.Valid(line) {
		found.Problem = problemNotUTF8
		return found
	}
	var r lineRecord
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		found.Problem = fmt.Sprintf("it is no membership (%v): write {\"ID\":…,\"segment\":…,\"expiredSegment\":…}", err)
		return found
	}
	if _, err := decoder.Token(); err != io.EOF {
		found.Problem = "something follows the object: write one object a line"
		return found
	}
	if replaced(line, r.ID+r.Segment) {
		found.Problem = problemSurrogate
		return found
	}
	text := string(r.Expiry)
	if text == "null" {
		text = ""
	}
	if quoted := ""; json.Unmarshal(r.Expiry, &quoted) == nil {
		text = quoted
	}
	expiry, problem := parseExpiry(text, l.Zone)
	found.Membership = client.Membership{ID: r.ID, Segment: r.Segment, Expiry: client.UnixSeconds(expiry)}
	found.Problem = problem
	return found
}

// parseMark reads a mark that is a number. "" is 0.
func parseMark(mark string) (int64, error) {
	if mark == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(mark, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("the mark %q is no number: delete the state file to begin anew", mark)
	}
	return n, nil
}
