package systemtest

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// badRequest is one row of api/testdata/bad_requests.json, which says what its
// placeholders mean: raw bytes, or a method, a target, headers and a body.
type badRequest struct {
	Name    string   `json:"name"`
	Raw     string   `json:"raw"`
	Method  string   `json:"method"`
	Target  string   `json:"target"`
	Headers []string `json:"headers"`
	Body    string   `json:"body"`
	Status  int      `json:"status"`
	Detail  string   `json:"detail"` // a part of the wanted detail
}

func readBadRequests(t *testing.T) []badRequest {
	t.Helper()
	raw, err := os.ReadFile("../api/testdata/bad_requests.json")
	if err != nil {
		t.Fatal(err)
	}
	var table []badRequest
	if err := json.Unmarshal(raw, &table); err != nil {
		t.Fatalf("reading the table: %v", err)
	}
	if len(table) < 60 {
		t.Fatalf("the table has %d bad requests, want at least 60", len(table))
	}
	return table
}

// placeholder is {{129*a}} for a repeated text, {{hex:ff}} for bytes.
var placeholder = regexp.MustCompile(`\{\{(hex|\d+)[:*](.*?)\}\}`)

func expand(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(found string) string {
		part := placeholder.FindStringSubmatch(found)
		if times, err := strconv.Atoi(part[1]); err == nil {
			return strings.Repeat(part[2], times)
		}
		decoded, err := hex.DecodeString(part[2])
		if err != nil {
			return found
		}
		return string(decoded)
	})
}

// text is the request as it goes over the wire, past any client that would mend it.
func (b badRequest) text() string {
	if b.Raw != "" {
		return expand(b.Raw)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: headcount\r\n", b.Method, expand(b.Target))
	for _, header := range b.Headers {
		fmt.Fprintf(&text, "%s\r\n", expand(header))
	}
	body := expand(b.Body)
	if body != "" || b.Method == http.MethodPost {
		fmt.Fprintf(&text, "Content-Length: %d\r\n", len(body))
	}
	return text.String() + "\r\n" + body
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	c := startCluster(t, settings{})
	target := c.nodes[0]
	for _, bad := range readBadRequests(t) {
		t.Run(bad.Name, func(t *testing.T) {
			got, err := exchange(target.http, bad.Method, bad.text())
			if err != nil {
				t.Fatal(err)
			}
			if got.status != bad.Status {
				t.Errorf("reply %v, want %d", got, bad.Status)
			}
			if bad.Method == http.MethodHead {
				return
			}
			if err := isProblem(got); err != nil {
				t.Error(err)
			}
			if !strings.Contains(string(got.body), bad.Detail) {
				t.Errorf("reply %v lacks %q", got, bad.Detail)
			}
		})
	}
	if !target.process.running() {
		t.Fatalf("the node ended: %v", target.process.err)
	}
	if counts, err := getCounts(t.Context(), target.base); err != nil || len(counts) != 0 {
		t.Errorf("after bad requests only, the node counts %v (%v), want nothing", counts, err)
	}
	mustWrite(t, target, record{membership{"u1", "s"}, time.Now().Add(time.Hour).Unix()})
	eventually(t, time.Second, "the count on every node", func() error {
		for _, n := range c.nodes {
			if got, err := getCount(t.Context(), n.base, "s"); err != nil || got != 1 {
				return fmt.Errorf("%s counts %d, %v", n.id, got, err)
			}
		}
		return nil
	})
}

// exchange sends raw bytes on a connection of its own and reads one reply. A
// server may answer and close before it has read everything.
func exchange(address, method, raw string) (reply, error) {
	connection, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return reply{}, fmt.Errorf("connecting: %w", err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(scaled(10 * time.Second))); err != nil {
		return reply{}, err
	}
	_, writeErr := io.WriteString(connection, raw)
	response, err := http.ReadResponse(bufio.NewReader(connection), &http.Request{Method: method})
	if err != nil {
		return reply{}, fmt.Errorf("reading the reply: %w (writing: %v)", err, writeErr)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, replyBytesMax))
	if err != nil {
		return reply{}, fmt.Errorf("reading the reply's body: %w", err)
	}
	return reply{status: response.StatusCode, header: response.Header, body: body}, nil
}
