package clienttest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// clusterJSON is what GET /cluster says until [Server.SetCluster].
const clusterJSON = `{
  "cluster": {"name":"headcount","incarnation":"5f0c","shards":2,"bucketWidthSeconds":60,"leader":"n1","addedLater":true},
  "answeredBy": "n1",
  "nodes": [
    {"id":"n1","http":"127.0.0.1:8000","peer":"127.0.0.1:8010","gossip":"127.0.0.1:8020","state":"member","alive":true,"clockOffsetMs":0},
    {"id":"n2","http":"127.0.0.1:8001","peer":"127.0.0.1:8011","gossip":"127.0.0.1:8021","state":"joining","alive":false,"clockOffsetMs":-12.5}
  ],
  "shards": [
    {"shard":0,"leader":"n1","term":3,"outboxRows":7,"outboxBytes":2048,"outboxOldestSeconds":1.5,"postgresIndex":120,
     "watermark":1655209380,"lastTick":1655164800,
     "replicas":[
       {"node":"n1","role":"leader","index":123,"lag":0,"digest":"9f","memberships":1000,"segments":3},
       {"node":"n2","role":"nonvoter","index":111,"lag":12,"digest":"77","memberships":990,"segments":3}]},
    {"shard":1,"leader":"n2","term":4,"outboxRows":9,"outboxBytes":4096,"outboxOldestSeconds":2.5,"postgresIndex":80,
     "watermark":1655209380,"lastTick":1655164800,
     "replicas":[
       {"node":"n2","role":"leader","index":90,"lag":0,"digest":"ab","memberships":500,"segments":2},
       {"node":"n1","role":"follower","index":89,"lag":1,"digest":"cd","memberships":499,"segments":2}]}
  ],
  "tick": {"schedule":"0 0 * * *","timeZone":"UTC","last":1655164800,"next":1655251200},
  "postgres": {"configured":true,"reachable":true,"lastError":"","rowsFlushed":12345,"quarantined":0}
}`

// atLeast refuses a read of a version that is not there yet. Called with mu held.
func (s *Server) atLeast(w http.ResponseWriter, r *http.Request) bool {
	wanted := r.Header.Get("Headcount-Min-Version")
	if wanted == "" {
		return true
	}
	index, err := strconv.ParseUint(strings.TrimPrefix(wanted, "0:"), 10, 64)
	if err != nil {
		problem(w, 400, "Headcount-Min-Version is no version: "+wanted)
		return false
	}
	if index > s.mu.index {
		problem(w, 503, "version "+wanted+" is not there yet")
		return false
	}
	return true
}

func (s *Server) counts(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.atLeast(w, r) {
		return
	}
	type count struct {
		Title      string `json:"title"`
		UsersCount int    `json:"usersCount"`
	}
	all := []count{}
	for title, n := range s.usersAt(instant(r, "at", time.Now().Unix())) {
		all = append(all, count{title, n})
	}
	slices.SortFunc(all, func(a, b count) int {
		if a.UsersCount != b.UsersCount {
			return b.UsersCount - a.UsersCount
		}
		return strings.Compare(a.Title, b.Title)
	})
	if limit, err := strconv.Atoi(r.FormValue("limit")); err == nil {
		all = all[:min(limit, len(all))]
	}
	reply(w, 200, all)
}

func (s *Server) count(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.atLeast(w, r) {
		return
	}
	title := r.PathValue("title")
	reply(w, 200, map[string]any{"title": title, "usersCount": s.usersAt(time.Now().Unix())[title]})
}

func (s *Server) clusterStatus(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reply(w, 200, s.mu.cluster)
}

func (s *Server) changeCluster(w http.ResponseWriter, r *http.Request) {
	var change struct{ ID, Address string }
	if err := json.NewDecoder(r.Body).Decode(&change); err != nil || change.ID == "" {
		problem(w, 400, "the body names no node id")
		return
	}
	switch {
	case r.PathValue("change") == "join" && change.Address == "":
		problem(w, 400, "address is missing: give the node's peer address")
	case r.PathValue("change") == "leave" && change.ID != "n2":
		problem(w, 404, "node "+change.ID+" is not in the cluster")
	default:
		reply(w, 200, map[string]string{"status": "done"})
	}
}
