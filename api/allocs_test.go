//go:build !race

// The race detector makes pools forget on purpose, and so allocates.

package api

import "testing"

func TestHotPathsAllocateNothing(t *testing.T) {
	handler := New(newInstant(), Options{}).Handler()
	for name, request := range map[string]struct {
		method, uri, contentType, body string
	}{
		"put":                  {"POST", "/users", "application/json", benchRecord},
		"put without a type":   {"POST", "/users", "", `{"ID":"\u0041é","segment":"s"}`},
		"counts":               {"GET", "/segments/count", "", ""},
		"delete a membership":  {"DELETE", "/users/a%2Fb/segments/s", "", ""},
		"erase a user":         {"DELETE", "/users/a%2Fb", "", ""},
		"counts, linearizable": {"GET", "/segments/count?consistency=linearizable", "", ""},
	} {
		ctx := prepared(request.method, request.uri, request.contentType, request.body)
		allocs := testing.AllocsPerRun(1000, func() {
			ctx.Response.Reset()
			handler(ctx)
		})
		if status := ctx.Response.StatusCode(); status > 201 {
			t.Fatalf("%s: %d %s", name, status, ctx.Response.Body())
		}
		if allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}

func TestAFrontAllocatesNothing(t *testing.T) {
	s := New(newInstant(), Options{})
	f := &front{Conn: &memoryConn{}, server: s, between: true}
	for _, request := range []string{
		requestText("POST", "/users", benchRecord, asJSON, "User-Agent: test"),
		requestText("GET", "/segments/count", "", "User-Agent: test"),
	} {
		plain := []byte(request)
		allocs := testing.AllocsPerRun(1000, func() {
			if served, err := f.serve(plain); !served || err != nil {
				t.Fatal(served, err)
			}
		})
		if allocs > 0.01 { // the date is written anew once a second
			t.Errorf("%.30q: %v allocations", request, allocs)
		}
	}
}
