package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// people puts users into segments: counts["sports"] users into sports, and so on.
func (t *town) people(counts map[string]int) *town {
	for segment, n := range counts {
		for i := range n {
			t.apply(Write{Op: OpPut, ID: fmt.Append(nil, "u", i), Segment: []byte(segment), Expiry: t.now.Unix() + 60})
		}
	}
	return t
}

func TestCounts(t *testing.T) {
	s := serve(t, newTown().people(map[string]int{"b": 2, "a\"q": 2, "c": 5, "d/é": 1}), Options{})
	const all = `[{"title":"c","usersCount":5},{"title":"a\"q","usersCount":2},{"title":"b","usersCount":2},{"title":"d/é","usersCount":1}]`
	for target, want := range map[string]string{
		"/segments/count":                     all,
		"/segments/count?":                    all,
		"/segments/count?limit=4":             all,
		"/segments/count?limit=1000000":       all,
		"/segments/count?limit=%34":           all,
		"/segments/count?limit=2":             `[{"title":"c","usersCount":5},{"title":"a\"q","usersCount":2}]`,
		"/segments/c/count":                   `{"title":"c","usersCount":5}`,
		"/segments/a%22q/count":               `{"title":"a\"q","usersCount":2}`,
		"/segments/d%2F%C3%A9/count":          `{"title":"d/é","usersCount":1}`,
		"/segments/d%2fé/count":               `{"title":"d/é","usersCount":1}`,
		"/segments/nobody/count":              `{"title":"nobody","usersCount":0}`,
		"/segments/count/count":               `{"title":"count","usersCount":0}`,
		"/segments/./count":                   `{"title":".","usersCount":0}`,
		"/segments/a+b/count":                 `{"title":"a+b","usersCount":0}`,
		"http://elsewhere:1/segments/c/count": `{"title":"c","usersCount":5}`,
	} {
		got := s.do(t, "GET", target, "")
		if got.status != 200 || got.body != want {
			t.Errorf("GET %s: %v, want %s", target, got, want)
		}
		head := s.do(t, "HEAD", target, "")
		if head.status != 200 || head.body != "" || head.header.Get("Content-Length") != fmt.Sprint(len(want)) {
			t.Errorf("HEAD %s: %v, want the header of GET", target, head)
		}
	}
}

// freshReads are the reads that can be asked to be fresh.
var freshReads = []string{
	"/segments/count", "/segments/count?at=1760000060", "/segments/a/count", "/segments/a/forecast", "/segments/a/history",
	"/segments/overlap?titles=a,b", "/users/u1",
}

func TestReadsPassOnHowFreshTheyMustBe(t *testing.T) {
	s := serve(t, newTown(), Options{})
	for _, path := range freshReads {
		s.do(t, "GET", path, "")
		if got := s.town.lastRead(); got.Linearizable || len(got.MinVersion) != 0 {
			t.Errorf("%s: %+v", path, got)
		}
		with := path + "?"
		if strings.Contains(path, "?") {
			with = path + "&"
		}
		s.do(t, "GET", with+"consistency=linearizable", "", "headcount-min-version: 0:7,63:18446744073709551615")
		want := Version{{0, 7}, {63, 1<<64 - 1}}
		if got := s.town.lastRead(); !got.Linearizable || !slices.Equal(got.MinVersion, want) {
			t.Errorf("%s: %+v", path, got)
		}
		s.do(t, "GET", with+"consistency=local", "")
		if got := s.town.lastRead(); got.Linearizable || len(got.MinVersion) != 0 {
			t.Errorf("%s: %+v, left over from another request", path, got)
		}
	}
}

func TestReadsThatFailSayWhy(t *testing.T) {
	cases := []struct {
		err    error
		status int
		detail string
	}{
		{&Failure{Kind: StaleFailure, Detail: "shard 3 is at index 5, not 9"}, 503, "shard 3"},
		{&Failure{Kind: NotAppliedFailure, Detail: "shard 3 has no leader"}, 503, "no leader"},
		{&Failure{Kind: BusyFailure, Detail: "two overlaps already"}, 503, "two overlaps"},
		{&Failure{Kind: BadRequest, Detail: "there is no shard 40"}, 400, "no shard 40"},
		{&Failure{Kind: NotFoundFailure}, 404, "no such thing"},
		{errors.New("secret"), 500, "the node's log says more"},
	}
	for _, c := range cases {
		town := newTown()
		town.readErr = c.err
		s := serve(t, town, Options{})
		for _, path := range freshReads {
			got := s.do(t, "GET", path, "")
			if p := got.problem(t, c.status); !strings.Contains(p.Detail, c.detail) || strings.Contains(got.body, "secret") {
				t.Errorf("GET %s: %v, want %q", path, got, c.detail)
			}
		}
	}
}

func TestNodes(t *testing.T) {
	s := serve(t, newTown(), Options{})
	steps := []struct {
		target, body string
		status       int
		want         string
	}{
		{"/cluster/join", `{"id":"n4","address":"10.0.0.4:7000"}`, 200, `{"status":"joined"}`},
		{"/cluster/join", `{"address":"[::1]:1","id":"n5"}`, 200, `{"status":"joined"}`},
		{"/cluster/join", `{"id":"n6","address":"node-6.example:65535"}`, 200, `{"status":"joined"}`},
		{"/cluster/join", `{"id":"n 7","address":"10.0.0.7:7000"}`, 400, `"detail":"id must be 1 to 64 of a-z A-Z 0-9 . _ -`},
		{"/cluster/join", `{"id":"..","address":"10.0.0.7:7000"}`, 400, `neither . nor ..`},
		{"/cluster/join", `{"id":"` + strings.Repeat("n", 65) + `","address":"10.0.0.7:7000"}`, 400, `1 to 64`},
		{"/cluster/join", `{"id":"n/7","address":"nowhere"}`, 400, `"detail":"id must`},
		{"/cluster/leave", `{"id":"n 7"}`, 404, `not in the cluster`},
		{"/cluster/leave", `{"id":"n5"}`, 200, `{"status":"left"}`},
		{"/cluster/leave", `{"id":"n5"}`, 404, `"detail":"node \"n5\" is not in the cluster"`},
	}
	for _, step := range steps {
		got := s.do(t, "POST", step.target, step.body, asJSON)
		if got.status != step.status || !strings.Contains(got.body, step.want) {
			t.Errorf("%s %s: %v, want %d %s", step.target, step.body, got, step.status, step.want)
		}
	}
	if len(s.town.mu.nodes) != 2 || s.town.mu.nodes["n4"] != "10.0.0.4:7000" {
		t.Errorf("%v", s.town.mu.nodes)
	}
	if got := s.do(t, "GET", "/cluster", ""); got.status != 200 || got.body != `{"answeredBy":"n1"}` {
		t.Errorf("%v", got)
	}
	for kind, status := range map[FailureKind]int{Refused: 409, NotAppliedFailure: 503, UnknownFailure: 504, BadRequest: 400} {
		s.town.nodesErr = &Failure{Kind: kind, Detail: "because"}
		s.do(t, "POST", "/cluster/join", `{"id":"n7","address":"h:1"}`).problem(t, status)
		s.do(t, "POST", "/cluster/leave", `{"id":"n4"}`).problem(t, status)
	}
}

func TestReadiness(t *testing.T) {
	s := serve(t, newTown(), Options{})
	if got := s.do(t, "GET", "/readyz", ""); got.status != 200 || got.body != `{"ready":true,"reasons":[],"warnings":[]}` {
		t.Errorf("%v", got)
	}
	s.town.readErr = &Failure{Kind: StaleFailure, Detail: "shard 1 is behind"}
	got := s.do(t, "GET", "/readyz", "")
	if got.status != 503 || got.header.Get("Retry-After") != "1" ||
		got.body != `{"ready":false,"reasons":["The node is not as fresh as asked: shard 1 is behind"],"warnings":["the \"clock\" is off"]}` {
		t.Errorf("%v", got)
	}
	s.alive(t)
}
