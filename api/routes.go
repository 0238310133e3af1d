package api

import (
	"bytes"
	"strings"

	"github.com/valyala/fasthttp"
)

// route is one line of the API: a method and a path, and what answers them. HEAD is
// answered like GET.
type route struct {
	method  string
	pattern string // as in openapi.json; a part in braces stands for any name
	serve   func(x *exchange)
	body    bool        // reads a body
	query   queryParams // the parameters it knows
	number  int         // in the order of [routes]; for the metrics

	parts []string // of the pattern
	allow string   // the methods of the pattern, for 405
}

// The bounds of a path that can match a route.
const (
	routePartsMax  = 4
	routeParamsMax = 2
)

// routeTable is every route, and three that stand for requests that match none.
type routeTable struct {
	all    []route // the last three match no path
	served []route

	write, counts                         *route // POST /users, GET /segments/count
	unknownPath, unknownMethod, malformed *route
}

func newRouteTable() *routeTable {
	all := []route{
		{method: "POST", pattern: "/users", serve: (*exchange).postUsers, body: true},
		{method: "GET", pattern: "/segments/count", serve: (*exchange).getCounts, query: queryRead | queryLimit | queryAt},
		{method: "GET", pattern: "/segments/overlap", serve: (*exchange).getOverlap, query: queryRead | queryTitles},
		{method: "GET", pattern: "/segments/{title}/count", serve: (*exchange).getCount, query: queryRead},
		{method: "GET", pattern: "/segments/{title}/forecast", serve: (*exchange).getForecast, query: queryRead | queryUntil | queryStep},
		{method: "GET", pattern: "/segments/{title}/history", serve: (*exchange).getHistory, query: queryRead | queryFrom | queryTo},
		{method: "GET", pattern: "/users/{ID}", serve: (*exchange).getUser, query: queryRead},
		{method: "DELETE", pattern: "/users/{ID}", serve: (*exchange).deleteUser},
		{method: "DELETE", pattern: "/users/{ID}/segments/{title}", serve: (*exchange).deleteMembership},
		{method: "GET", pattern: "/cluster", serve: (*exchange).getCluster},
		{method: "POST", pattern: "/cluster/join", serve: (*exchange).postJoin, body: true},
		{method: "POST", pattern: "/cluster/leave", serve: (*exchange).postLeave, body: true},
		{method: "GET", pattern: "/healthz", serve: (*exchange).getHealth},
		{method: "GET", pattern: "/readyz", serve: (*exchange).getReadiness},
		{method: "GET", pattern: "/metrics", serve: (*exchange).getMetrics},
		{method: "GET", pattern: "/openapi.json", serve: (*exchange).getOpenAPI},

		{pattern: "unknown-path", serve: (*exchange).replyUnknownPath, body: true, query: queryAny},
		{pattern: "unknown-method", serve: (*exchange).replyUnknownMethod, body: true, query: queryAny},
		{pattern: "malformed"},
	}
	for i := range all {
		all[i].prepare(all)
		all[i].number = i
	}
	served := len(all) - 3
	return &routeTable{
		all: all, served: all[:served], write: &all[0], counts: &all[1],
		unknownPath: &all[served], unknownMethod: &all[served+1], malformed: &all[served+2],
	}
}

// prepare fills in what follows from the pattern and the other routes.
func (r *route) prepare(all []route) {
	r.parts = strings.Split(strings.TrimPrefix(r.pattern, "/"), "/")
	var methods []string
	for _, other := range all {
		if other.pattern != r.pattern {
			continue
		}
		methods = append(methods, other.method)
		if other.method == "GET" {
			methods = append(methods, "HEAD")
		}
	}
	r.allow = strings.Join(methods, ", ")
}

// target is what a request asks for.
type target struct {
	route  *route
	allow  string                 // the methods of the path, where it is known
	params [routeParamsMax][]byte // the names in the path, still escaped
	query  []byte                 // without its question mark
}

// find reads the target of a request as it was sent: fasthttp's own view of the path
// is normalised, and would break an ID that holds a slash.
func (t *routeTable) find(method, uri []byte) target {
	path, query, _ := bytes.Cut(pathOf(uri), []byte("?"))
	found := target{route: t.unknownPath, query: query}
	var parts [routePartsMax][]byte
	n := splitPath(path, &parts)
	for i := range t.served {
		r := &t.served[i]
		if !r.match(parts[:n], &found.params) {
			continue
		}
		found.route, found.allow = t.unknownMethod, r.allow
		if r.method == string(method) || (r.method == "GET" && string(method) == "HEAD") {
			found.route = r
			return found
		}
	}
	return found
}

// pathOf cuts the scheme and the authority off an absolute target, which a request
// through a proxy has.
func pathOf(target []byte) []byte {
	if len(target) > 0 && target[0] == '/' {
		return target
	}
	_, rest, found := bytes.Cut(target, []byte("://"))
	slash := bytes.IndexByte(rest, '/')
	if !found || slash < 0 {
		return nil
	}
	return rest[slash:]
}

// splitPath returns the number of parts, or 0 for a path that no route can match.
func splitPath(path []byte, parts *[routePartsMax][]byte) int {
	if len(path) == 0 || path[0] != '/' {
		return 0
	}
	for n := 1; ; n++ {
		part, rest, more := bytes.Cut(path[1:], []byte("/"))
		parts[n-1] = part
		if !more {
			return n
		}
		if n == routePartsMax {
			return 0
		}
		path = path[len(path)-len(rest)-1:]
	}
}

// match compares the parts of a path, and takes out those that are names. An empty
// part is no name.
func (r *route) match(parts [][]byte, params *[routeParamsMax][]byte) bool {
	if len(parts) != len(r.parts) {
		return false
	}
	n := 0
	for i, part := range r.parts {
		switch {
		case part[0] != '{':
			if part != string(parts[i]) {
				return false
			}
		case len(parts[i]) == 0:
			return false
		default:
			params[n] = parts[i]
			n++
		}
	}
	return true
}

func (x *exchange) replyUnknownPath() {
	x.problem(problemNotFound, "there is no such path: GET /openapi.json lists them")
}

func (x *exchange) replyUnknownMethod() {
	x.ctx.Response.Header.Set(fasthttp.HeaderAllow, x.allow)
	x.problem(problemMethod, "the path does not know this method: use "+x.allow)
}
