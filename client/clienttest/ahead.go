package clienttest

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// usersAt counts by segment who will still be there at an instant. Called with mu
// held.
func (s *Server) usersAt(at int64) map[string]int {
	users := map[string]int{}
	for key, expiry := range s.mu.memberships {
		if expiry > at {
			users[key.segment]++
		}
	}
	return users
}

// instant reads a parameter of whole seconds.
func instant(r *http.Request, name string, otherwise int64) int64 {
	if n, err := strconv.ParseInt(r.FormValue(name), 10, 64); err == nil {
		return n
	}
	return otherwise
}

type point struct {
	At         int64 `json:"at"`
	UsersCount int   `json:"usersCount"`
}

func (s *Server) forecast(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.atLeast(w, r) {
		return
	}
	const day = 24 * 60 * 60
	title, now := r.PathValue("title"), time.Now().Unix()
	until, step := instant(r, "until", now+14*day), instant(r, "step", day)
	if step < 1 || (until-now)/step >= 1000 {
		problem(w, 400, "the forecast would have more than 1000 points")
		return
	}
	points := []point{}
	for at := now; at == now || at <= until; at += step {
		points = append(points, point{at, s.usersAt(at)[title]})
	}
	reply(w, 200, map[string]any{"title": title, "points": points})
}

// history knows one tick of long ago, and one of now.
func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.atLeast(w, r) {
		return
	}
	title, now := r.PathValue("title"), time.Now().Unix()
	points := []point{}
	for _, p := range []point{{1_000_000_000, 0}, {now, s.usersAt(now)[title]}} {
		if instant(r, "from", 0) <= p.At && p.At <= instant(r, "to", now) {
			points = append(points, p)
		}
	}
	reply(w, 200, map[string]any{"title": title, "points": points})
}

func (s *Server) overlap(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.atLeast(w, r) {
		return
	}
	titles := r.URL.Query()["titles"]
	if len(titles) < 2 || len(titles) > 8 {
		problem(w, 400, "titles must name 2 to 8 segments")
		return
	}
	now := time.Now().Unix()
	in := map[string]int{} // by user: in how many of them
	for key, expiry := range s.mu.memberships {
		if expiry > now && slices.Contains(titles, key.segment) {
			in[key.id]++
		}
	}
	segments, intersection := []map[string]any{}, 0
	for _, title := range titles {
		segments = append(segments, map[string]any{"title": title, "usersCount": s.usersAt(now)[title]})
	}
	for _, n := range in {
		if n == len(titles) {
			intersection++
		}
	}
	reply(w, 200, map[string]any{"segments": segments, "intersection": intersection, "union": len(in)})
}
