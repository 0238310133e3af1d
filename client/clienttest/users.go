package clienttest

import (
	"bufio"
	"encoding/json"
	"net/http"
	"time"
)

type record struct {
	ID      string `json:"ID"`
	Segment string `json:"segment"`
	Expiry  int64  `json:"expiredSegment"`
}

func (s *Server) putUsers(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Header.Get("Content-Type") == "application/x-ndjson" {
		s.putLines(w, r)
		return
	}
	var one record
	if err := json.NewDecoder(r.Body).Decode(&one); err != nil {
		problem(w, 400, "the body is no JSON object: "+err.Error())
		return
	}
	status := s.put(one)
	switch status {
	case "rejected":
		problem(w, 400, "ID and segment must have 1 to 128 bytes")
	case "created":
		s.written(w)
		reply(w, 201, map[string]string{"status": status})
	default:
		s.written(w)
		reply(w, 200, map[string]string{"status": status})
	}
}

func (s *Server) putLines(w http.ResponseWriter, r *http.Request) {
	totals := map[string]int{"created": 0, "renewed": 0, "unchanged": 0, "expired": 0, "rejected": 0}
	rejections := []map[string]any{}
	lines := bufio.NewScanner(r.Body)
	for n := 1; lines.Scan(); n++ {
		var one record
		status := "rejected"
		if err := json.Unmarshal(lines.Bytes(), &one); err == nil {
			status = s.put(one)
		}
		totals[status]++
		if status == "rejected" && len(rejections) < 100 {
			rejections = append(rejections, map[string]any{"record": n, "reason": "ID and segment must have 1 to 128 bytes"})
		}
	}
	document := map[string]any{"rejections": rejections}
	for status, n := range totals {
		document[status] = n
	}
	s.written(w)
	reply(w, 200, document)
}

// put applies one record and returns its status.
func (s *Server) put(one record) string {
	now := time.Now().Unix()
	if one.ID == "" || one.Segment == "" || len(one.ID) > 128 || len(one.Segment) > 128 {
		return "rejected"
	}
	if one.Expiry == 0 {
		one.Expiry = now + 14*24*3600
	}
	if one.Expiry <= now {
		return "expired"
	}
	key := membership{one.ID, one.Segment}
	held := s.mu.memberships[key]
	s.mu.memberships[key] = max(held, one.Expiry)
	switch {
	case held <= now:
		return "created"
	case held < one.Expiry:
		return "renewed"
	default:
		return "unchanged"
	}
}

func (s *Server) getUser(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.PathValue("id")
	segments := []map[string]any{}
	for key, expiry := range s.mu.memberships {
		if key.id == id && expiry > time.Now().Unix() {
			segments = append(segments, map[string]any{"title": key.segment, "expiredSegment": expiry})
		}
	}
	reply(w, 200, map[string]any{"ID": id, "segments": segments})
}

func (s *Server) eraseUser(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.mu.memberships {
		if key.id == r.PathValue("id") {
			delete(s.mu.memberships, key)
		}
	}
	s.written(w)
	reply(w, 200, map[string]string{"status": "erased"})
}

func (s *Server) deleteMembership(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := membership{r.PathValue("id"), r.PathValue("title")}
	status := "absent"
	if s.mu.memberships[key] > time.Now().Unix() {
		status = "deleted"
	}
	delete(s.mu.memberships, key)
	s.written(w)
	reply(w, 200, map[string]string{"status": status})
}
