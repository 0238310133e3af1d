package clienttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Fault is what happens to a request instead of a reply.
type Fault struct {
	Status     int    // of the problem reply; 0: the connection is cut
	Detail     string // of the problem reply
	RetryAfter string // header; "" for none
	Applied    bool   // the write takes effect before the fault
}

// Server answers the API at URL until the test ends.
type Server struct {
	URL string

	mu struct {
		sync.Mutex
		memberships map[membership]int64 // to the expiry, in Unix seconds
		index       uint64               // of the last write
		faults      []Fault
		seen        []*http.Request // every request, in order, without its body
		cluster     any             // what GET /cluster says
	}
}

type membership struct{ id, segment string }

// New starts a server with nobody in any segment.
func New(t testing.TB) *Server {
	s := &Server{}
	s.mu.memberships = map[membership]int64{}
	s.mu.cluster = json.RawMessage(clusterJSON)

	mux := http.NewServeMux()
	mux.HandleFunc("POST /users", s.putUsers)
	mux.HandleFunc("GET /users/{id}", s.getUser)
	mux.HandleFunc("DELETE /users/{id}", s.eraseUser)
	mux.HandleFunc("DELETE /users/{id}/segments/{title}", s.deleteMembership)
	mux.HandleFunc("GET /segments/count", s.counts)
	mux.HandleFunc("GET /segments/{title}/count", s.count)
	mux.HandleFunc("GET /segments/{title}/forecast", s.forecast)
	mux.HandleFunc("GET /segments/{title}/history", s.history)
	mux.HandleFunc("GET /segments/overlap", s.overlap)
	mux.HandleFunc("GET /cluster", s.clusterStatus)
	mux.HandleFunc("POST /cluster/{change}", s.changeCluster)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, map[string]string{}) })

	listening := httptest.NewServer(s.withFaults(mux))
	t.Cleanup(listening.Close)
	s.URL = listening.URL
	return s
}

// FailNext puts a fault in the way of the next requests, one each.
func (s *Server) FailNext(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.faults = append(s.mu.faults, faults...)
}

// Requests returns the requests so far, the failed ones too, without their bodies.
func (s *Server) Requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.mu.seen...)
}

// Memberships returns how many there are, the expired ones left out.
func (s *Server) Memberships() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, expiry := range s.mu.memberships {
		if expiry > time.Now().Unix() {
			n++
		}
	}
	return n
}

// SetCluster makes the document the answer of GET /cluster.
func (s *Server) SetCluster(document any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.cluster = document
}

// withFaults notes each request and lets the next fault, if any, happen to it.
func (s *Server) withFaults(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.mu.seen = append(s.mu.seen, r)
		var fault *Fault
		if len(s.mu.faults) > 0 {
			fault, s.mu.faults = &s.mu.faults[0], s.mu.faults[1:]
		}
		s.mu.Unlock()

		switch {
		case fault == nil:
			next.ServeHTTP(w, r)
			return
		case fault.Applied:
			next.ServeHTTP(httptest.NewRecorder(), r)
		}
		if fault.Status == 0 {
			panic(http.ErrAbortHandler) // net/http's way to cut a connection
		}
		if fault.RetryAfter != "" {
			w.Header().Set("Retry-After", fault.RetryAfter)
		}
		problem(w, fault.Status, fault.Detail)
	})
}

// written adds the headers of a write that took effect. Called with mu held.
func (s *Server) written(w http.ResponseWriter) {
	s.mu.index++
	w.Header().Set("Headcount-Version", fmt.Sprintf("0:%d", s.mu.index))
}

func reply(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document) // the client may be gone
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "detail": detail})
}
