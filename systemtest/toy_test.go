package systemtest

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// toy answers like a cluster, out of one plain map, with faults of every kind
// that a client can see. It is there to test the harness: a load against it must
// end with the toy's map, however it misbehaves, unless it loses a write.
type toy struct {
	mu struct {
		sync.Mutex
		held model
	}
	faultPercent int
	late         sync.WaitGroup    // writes that take effect after their connection is gone
	lose         func(record) bool // acknowledged writes to lose; called under the lock
}

// startToy returns the toy and the URLs of its three faces.
func startToy(t *testing.T, faultPercent int) (*toy, []string) {
	t.Helper()
	y := &toy{faultPercent: faultPercent, lose: func(record) bool { return false }}
	y.mu.held = model{}
	var urls []string
	for range 3 {
		server := httptest.NewServer(y)
		t.Cleanup(func() { server.Close(); y.late.Wait() })
		urls = append(urls, server.URL)
	}
	return y, urls
}

func (y *toy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	for i := range parts {
		parts[i], _ = url.PathUnescape(parts[i])
	}
	if r.Method == http.MethodGet {
		y.read(w, parts)
		return
	}
	apply, answer := y.change(r, parts)
	if rand.IntN(100) >= y.faultPercent {
		apply()
		answer(w)
		return
	}
	switch rand.IntN(5) {
	case 0:
		w.WriteHeader(http.StatusServiceUnavailable)
	case 1:
		w.WriteHeader(http.StatusGatewayTimeout)
	case 2:
		apply()
		w.WriteHeader(http.StatusGatewayTimeout)
	case 3:
		apply()
		panic(http.ErrAbortHandler) // the connection is cut
	default: // as a stopped node does: cut now, applied later
		y.late.Go(func() {
			time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
			apply()
		})
		panic(http.ErrAbortHandler)
	}
}

// change decodes a POST or a DELETE into what it does and what it answers.
func (y *toy) change(r *http.Request, parts []string) (apply func(), answer func(http.ResponseWriter)) {
	if r.Method == http.MethodDelete {
		return func() {
			y.mu.Lock()
			defer y.mu.Unlock()
			for _, segment := range segments {
				if len(parts) == 2 || parts[3] == segment {
					delete(y.mu.held, membership{parts[1], segment})
				}
			}
		}, func(http.ResponseWriter) {}
	}
	var body bytes.Buffer
	_, _ = body.ReadFrom(r.Body)
	var records []record
	for line := range bytes.Lines(body.Bytes()) {
		var one struct {
			ID, Segment string
			Expiry      int64 `json:"expiredSegment"`
		}
		_ = json.Unmarshal(line, &one)
		records = append(records, record{membership{one.ID, one.Segment}, one.Expiry})
	}
	counted := map[string]int{}
	apply = func() {
		y.mu.Lock()
		defer y.mu.Unlock()
		for _, r := range records {
			counted[y.mu.held.status(r, time.Now(), 60)]++
			if !y.lose(r) {
				y.mu.held.write(r)
			}
		}
	}
	return apply, func(w http.ResponseWriter) {
		if r.Header.Get("Content-Type") == "application/x-ndjson" {
			_ = json.NewEncoder(w).Encode(counted)
			return
		}
		for status := range counted {
			if status == "created" {
				w.WriteHeader(http.StatusCreated)
			}
			_ = json.NewEncoder(w).Encode(map[string]string{"status": status})
		}
	}
}

func (y *toy) read(w http.ResponseWriter, parts []string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	counts := y.mu.held.counts(time.Now())
	switch {
	case parts[0] == "users":
		type held struct {
			Title  string `json:"title"`
			Expiry int64  `json:"expiredSegment"`
		}
		answer := map[string]any{"ID": parts[1]}
		var list []held
		for _, segment := range segments {
			if expiry, ok := y.mu.held[membership{parts[1], segment}]; ok && expiry > time.Now().Unix() {
				list = append(list, held{segment, bucketOf(expiry, 60)})
			}
		}
		answer["segments"] = list
		_ = json.NewEncoder(w).Encode(answer)
	case len(parts) == 2:
		_ = json.NewEncoder(w).Encode(counts)
	default:
		i := slices.IndexFunc(counts, func(c segmentCount) bool { return c.Title == parts[1] })
		if i < 0 {
			_ = json.NewEncoder(w).Encode(segmentCount{Title: parts[1]})
			return
		}
		_ = json.NewEncoder(w).Encode(counts[i])
	}
}
