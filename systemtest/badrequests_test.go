package systemtest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// badRequest is raw bytes that a client must never get through.
type badRequest struct {
	name    string
	raw     string // everything that is sent
	wantAny []int  // the replies that are right
}

// post builds a POST /users with a JSON body.
func post(body string) string { return postAs("application/json", body) }

func postAs(contentType, body string) string {
	return fmt.Sprintf("POST /users HTTP/1.1\r\nHost: h\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", contentType, len(body), body)
}

func plain(method, path string) string {
	return method + " " + path + " HTTP/1.1\r\nHost: h\r\n\r\n"
}

// badRequests go over a socket as they are, past any client that would mend them.
var badRequests = []badRequest{
	{"empty body", post(``), []int{400}},
	{"no JSON", post(`hello`), []int{400}},
	{"JSON cut short", post(`{"ID":"u","segment":"s"`), []int{400}},
	{"something after the object", post(`{"ID":"u","segment":"s"} x`), []int{400}},
	{"a number for a body", post(`17`), []int{400}},
	{"null", post(`null`), []int{400}},
	{"no ID", post(`{"segment":"s"}`), []int{400}},
	{"no segment", post(`{"ID":"u"}`), []int{400}},
	{"empty ID", post(`{"ID":"","segment":"s"}`), []int{400}},
	{"empty segment", post(`{"ID":"u","segment":""}`), []int{400}},
	{"ID of 129 bytes", post(`{"ID":"` + strings.Repeat("x", 129) + `","segment":"s"}`), []int{400}},
	{"segment of 129 bytes", post(`{"ID":"u","segment":"` + strings.Repeat("x", 129) + `"}`), []int{400}},
	{"ID a number", post(`{"ID":7,"segment":"s"}`), []int{400}},
	{"ID with NUL", post(`{"ID":"a\u0000b","segment":"s"}`), []int{400}},
	{"ID with a control character", post(`{"ID":"a\nb","segment":"s"}`), []int{400}},
	{"ID of invalid UTF-8", post("{\"ID\":\"a\xff\xfeb\",\"segment\":\"s\"}"), []int{400}},
	{"ID with half a surrogate pair", post(`{"ID":"a\ud800b","segment":"s"}`), []int{400}},
	{"ID twice", post(`{"ID":"u","ID":"v","segment":"s"}`), []int{400}},
	{"unknown field", post(`{"ID":"u","segment":"s","expires":1}`), []int{400}},
	{"expiry a string", post(`{"ID":"u","segment":"s","expiredSegment":"soon"}`), []int{400}},
	{"expiry with a fraction", post(`{"ID":"u","segment":"s","expiredSegment":1.5}`), []int{400}},
	{"expiry negative", post(`{"ID":"u","segment":"s","expiredSegment":-1}`), []int{400}},
	{"expiry beyond 64 bits", post(`{"ID":"u","segment":"s","expiredSegment":99999999999999999999}`), []int{400}},
	{"expiry 401 days ahead", post(fmt.Sprintf(`{"ID":"u","segment":"s","expiredSegment":%d}`, time.Now().Add(401*24*time.Hour).Unix())), []int{400}},
	{"expiry in milliseconds", post(fmt.Sprintf(`{"ID":"u","segment":"s","expiredSegment":%d}`, time.Now().UnixMilli())), []int{400}},
	{"nested garbage", post(strings.Repeat(`[`, 100_000)), []int{400}},
	{"XML", postAs("application/xml", `<ID>u</ID>`), []int{415}},
	{"unknown path", plain("GET", "/nothing"), []int{404}},
	{"PUT /users", plain("PUT", "/users"), []int{405}},
	{"POST to a count", plain("POST", "/segments/count"), []int{405}},
	{"DELETE of the list", plain("DELETE", "/segments/count"), []int{405}},
	{"unknown consistency", plain("GET", "/segments/count?consistency=maybe"), []int{400}},
	{"negative limit", plain("GET", "/segments/count?limit=-1"), []int{400}},
	{"bad escape", plain("GET", "/users/%zz"), []int{400, 404}},
	{"ID of 129 bytes in a path", plain("GET", "/users/"+strings.Repeat("x", 129)), []int{400}},
	{"body announced far too large", "POST /users HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{}", []int{413}},
	{"no HTTP at all", "\x16\x03\x01 hello\r\n\r\n", []int{400}},
	{"headers without end", "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 1<<20), []int{400, 431}},
	{"join without a body", plain("POST", "/cluster/join"), []int{400, 411, 415}},
	{"leave of a list", "POST /cluster/leave HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]", []int{400}},
}

func TestBadRequests(t *testing.T) {
	c := startCluster(t, settings{})
	target := c.nodes[0]
	for _, bad := range badRequests {
		t.Run(bad.name, func(t *testing.T) {
			got, err := exchange(target.http, bad.raw)
			if err != nil {
				t.Fatal(err)
			}
			right := false
			for _, status := range bad.wantAny {
				right = right || got.status == status
			}
			if !right {
				t.Errorf("reply %v, want one of %v", got, bad.wantAny)
			}
			if err := isProblem(got); err != nil {
				t.Error(err)
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
func exchange(address, raw string) (reply, error) {
	connection, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return reply{}, fmt.Errorf("connecting: %w", err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(scaled(10 * time.Second))); err != nil {
		return reply{}, err
	}
	_, writeErr := io.WriteString(connection, raw)
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
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
