package api

import (
	"fmt"
	"strings"
	"testing"
)

// townNow is the town's fixed clock: 2025-10-09T08:53:20Z.
const townNow = 1_760_000_000

// aheadTown has ten users in a and some in titles that are odd in a URL: user u<i>
// leaves a after i days, and everything else after ten.
func aheadTown() *town {
	t := newTown()
	const day = 24 * 60 * 60
	for i := range 10 {
		id := fmt.Append(nil, "u", i)
		in := func(title string, days int) {
			t.apply(Write{Op: OpPut, ID: id, Segment: []byte(title), Expiry: townNow + int64(days)*day})
		}
		in("a", i)
		if i < 5 {
			in("New York", 10)
		}
		if i%2 == 0 {
			in("x,y", 10)
		}
		if i == 0 {
			in("overlap", 10)
		}
	}
	return t
}

func TestForecast(t *testing.T) {
	s := serve(t, aheadTown(), Options{})
	for target, want := range map[string]string{
		"/segments/a/forecast?until=1760172800":                              `{"title":"a","points":[{"at":1760000000,"usersCount":9},{"at":1760086400,"usersCount":8},{"at":1760172800,"usersCount":7}]}`,
		"/segments/a/forecast?until=1760172799":                              `{"title":"a","points":[{"at":1760000000,"usersCount":9},{"at":1760086400,"usersCount":8}]}`,
		"/segments/a/forecast?until=2025-10-11T08:53:20Z&step=48h":           `{"title":"a","points":[{"at":1760000000,"usersCount":9},{"at":1760172800,"usersCount":7}]}`,
		"/segments/a/forecast?until=2025-10-11T10:53:20+02:00&step=2d":       `{"title":"a","points":[{"at":1760000000,"usersCount":9},{"at":1760172800,"usersCount":7}]}`,
		"/segments/a/forecast?until=2025-10-11T10%3A53%3A20%2B02:00&step=2d": `{"title":"a","points":[{"at":1760000000,"usersCount":9},{"at":1760172800,"usersCount":7}]}`,
		"/segments/a/forecast?until=2025-10-11T08:53:20.999Z&step=172800":    `{"title":"a","points":[{"at":1760000000,"usersCount":9},{"at":1760172800,"usersCount":7}]}`,
		"/segments/a/forecast?until=1760000000":                              `{"title":"a","points":[{"at":1760000000,"usersCount":9}]}`,
		"/segments/no%22body/forecast?until=1760000000":                      `{"title":"no\"body","points":[{"at":1760000000,"usersCount":0}]}`,
		"/segments/overlap/forecast?until=1760000000":                        `{"title":"overlap","points":[{"at":1760000000,"usersCount":1}]}`,
	} {
		if got := s.do(t, "GET", target, ""); got.status != 200 || got.body != want {
			t.Errorf("GET %s: %v, want %s", target, got, want)
		}
	}
	for target, points := range map[string]int{
		"/segments/a/forecast":                             15,
		"/segments/a/forecast?step=12h":                    29,
		"/segments/a/forecast?until=1760000999&step=1":     1000,
		"/segments/a/forecast?until=1760000999&step=1000s": 1,
		"/segments/a/forecast?until=1760001000&step=2s":    501,
	} {
		var got struct {
			Points []struct{ At, UsersCount uint64 }
		}
		r := s.do(t, "GET", target, "")
		r.decode(t, &got)
		if len(got.Points) != points || r.status != 200 {
			t.Errorf("GET %s: %d points, want %d: %v", target, len(got.Points), points, r)
		}
	}
	for target, want := range map[string]string{
		"until=1759999999":                   "until is in the past: GET /segments/{title}/history",
		"until=1760001000&step=1":            "would have 1001 points, and may have 1000: use a step of at least 2s",
		"until=1762592000&step=1m":           "would have 43201 points, and may have 1000: use a step of at least 2593s",
		"until=9999-12-31T23:59:59Z":         "use a step of at least",
		"until=9999-12-31T23:59:59Z&step=1s": "use a step of at least",
	} {
		got := s.do(t, "GET", "/segments/a/forecast?"+target, "")
		if p := got.problem(t, 400); !strings.Contains(p.Detail, want) {
			t.Errorf("%s: %v, want %q", target, got, want)
		}
	}
	// The step that a refusal names fits.
	for _, ahead := range []int64{1000, 1001, 1999, 2000, 86400, 1_000_000, 123_456_789, instantMax - townNow} {
		a := asked{given: queryUntil | queryStep, until: townNow + ahead, step: 1}
		_, _, reason := a.forecast(townNow)
		_, rest, _ := strings.Cut(reason, "at least ")
		named, _, _ := strings.Cut(rest, ",")
		var bad string
		if a.step, bad = queryStepSeconds([]byte(named)); bad != "" {
			t.Fatalf("%s: %q does not read: %s", reason, named, bad)
		}
		if _, _, reason := a.forecast(townNow); reason != "" {
			t.Errorf("%d s ahead: a step of %s does not fit: %s", ahead, named, reason)
		}
		if a.step--; a.step > 0 {
			if _, _, reason := a.forecast(townNow); reason == "" {
				t.Errorf("%d s ahead: a step of %ds would fit, but %s is named", ahead, a.step, named)
			}
		}
	}
}

func TestCountsAt(t *testing.T) {
	s := serve(t, aheadTown(), Options{})
	const atFour = `[{"title":"New York","usersCount":5},{"title":"a","usersCount":5},{"title":"x,y","usersCount":5},{"title":"overlap","usersCount":1}]`
	for target, want := range map[string]string{
		"/segments/count?at=1760345600":                    atFour,
		"/segments/count?at=2025-10-13T08:53:20Z":          atFour,
		"/segments/count?at=2025-10-13T04:53:20.5-04:00":   atFour,
		"/segments/count?at=1760345600&limit=1":            `[{"title":"New York","usersCount":5}]`,
		"/segments/count?limit=1000&at=1760345600":         atFour,
		"/segments/count?at=1760000000&limit=1":            `[{"title":"a","usersCount":9}]`,
		"/segments/count?at=1800000000":                    `[]`,
		"/segments/count?at=9999-12-31T23:59:59Z":          `[]`,
		"/segments/count?at=1760345600&consistency=local":  atFour,
		"http://elsewhere:1/segments/count?at=1760345600&": atFour,
	} {
		if got := s.do(t, "GET", target, ""); got.status != 200 || got.body != want {
			t.Errorf("GET %s: %v, want %s", target, got, want)
		}
	}
	for _, at := range []string{"1759999999", "0", "2025-10-09T08:53:19Z", "2025-10-09T08:53:19.999Z"} {
		got := s.do(t, "GET", "/segments/count?at="+at, "")
		if p := got.problem(t, 400); !strings.Contains(p.Detail, "at is in the past: GET /segments/{title}/history") {
			t.Errorf("%s: %v", at, got)
		}
	}
}

func TestHistory(t *testing.T) {
	town := aheadTown()
	for i := range int64(3) {
		town.mu.ticks = append(town.mu.ticks, townTick{townNow - 300 + 100*i, map[string]uint64{"a": uint64(7 + i), "history": 1}})
	}
	s := serve(t, town, Options{})
	const all = `{"title":"a","points":[{"at":1759999700,"usersCount":7},{"at":1759999800,"usersCount":8},{"at":1759999900,"usersCount":9}]}`
	for target, want := range map[string]string{
		"/segments/a/history":                                             all,
		"/segments/a/history?from=0&to=9999-12-31T23:59:59Z":              all,
		"/segments/a/history?from=1759999700&to=1759999900":               all,
		"/segments/a/history?from=1759999701":                             `{"title":"a","points":[{"at":1759999800,"usersCount":8},{"at":1759999900,"usersCount":9}]}`,
		"/segments/a/history?from=2025-10-09T08:48:20.001Z&to=1759999899": `{"title":"a","points":[{"at":1759999800,"usersCount":8}]}`,
		"/segments/a/history?to=2025-10-09T08:48:20.999Z":                 `{"title":"a","points":[{"at":1759999700,"usersCount":7}]}`,
		"/segments/a/history?from=1760000000":                             `{"title":"a","points":[]}`,
		"/segments/history/history?from=1759999900":                       `{"title":"history","points":[{"at":1759999900,"usersCount":1}]}`,
		"/segments/nobody/history?from=1759999900":                        `{"title":"nobody","points":[{"at":1759999900,"usersCount":0}]}`,
	} {
		if got := s.do(t, "GET", target, ""); got.status != 200 || got.body != want {
			t.Errorf("GET %s: %v, want %s", target, got, want)
		}
	}
}

func TestOverlap(t *testing.T) {
	s := serve(t, aheadTown(), Options{})
	const odd = `{"segments":[{"title":"New York","usersCount":5},{"title":"x,y","usersCount":5}],"intersection":3,"union":7}`
	for target, want := range map[string]string{
		"titles=New+York,x%2Cy":                                 odd,
		"titles=New%20York,x%2cy":                               odd,
		"titles=New+York&titles=x%2Cy":                          odd,
		"titles=New+York&consistency=linearizable&titles=x%2Cy": odd,
		"titles=x%2Cy,New+York":                                 `{"segments":[{"title":"x,y","usersCount":5},{"title":"New York","usersCount":5}],"intersection":3,"union":7}`,
		"titles=a,New+York,x%2Cy":                               `{"segments":[{"title":"a","usersCount":9},{"title":"New York","usersCount":5},{"title":"x,y","usersCount":5}],"intersection":2,"union":10}`,
		"titles=a,nobody":                                       `{"segments":[{"title":"a","usersCount":9},{"title":"nobody","usersCount":0}],"intersection":0,"union":9}`,
		"titles=a,b&titles=c,d&titles=e,f,g,overlap":            "",
		"titles=a,%C3%A9%2B":                                    `{"segments":[{"title":"a","usersCount":9},{"title":"é+","usersCount":0}],"intersection":0,"union":9}`,
	} {
		got := s.do(t, "GET", "/segments/overlap?"+target, "")
		if got.status != 200 || want != "" && got.body != want {
			t.Errorf("%s: %v, want %s", target, got, want)
		}
	}
	for target, want := range map[string]string{
		"":                                      "2 to 8 segments",
		"?titles=a":                             "2 to 8 segments",
		"?titles=a%2Cb":                         "a comma in a title is %2C",
		"?titles=":                              "a title in titles is empty",
		"?titles=a,":                            "a title in titles is empty",
		"?titles=a,,b":                          "a title in titles is empty",
		"?titles":                               "a title in titles is empty",
		"?titles=a,b,a":                         "names a segment twice",
		"?titles=a&titles=b,%61":                "names a segment twice",
		"?titles=a,b,c,d,e,f,g,h,i":             "more than 8 segments",
		"?titles=a,b%":                          "write a percent sign as %25",
		"?titles=a,b%00":                        "control character",
		"?titles=a,%ff":                         "not valid UTF-8",
		"?titles=a," + strings.Repeat("b", 129): "longer than 128 bytes",
		"?titles=a,b&consistency=local&consistency=local": "given twice",
		"?title=a&title=b": "the path knows titles and consistency",
	} {
		got := s.do(t, "GET", "/segments/overlap"+target, "")
		if p := got.problem(t, 400); !strings.Contains(p.Detail, want) {
			t.Errorf("%s: %v, want %q", target, got, want)
		}
	}
}

// A segment may be named like a path, and a path like a segment.
func TestSegmentsNamedLikePaths(t *testing.T) {
	routes := newRouteTable()
	names := []string{"count", "overlap", "forecast", "history", "segments", "users"}
	for _, title := range names {
		for _, what := range []string{"count", "forecast", "history"} {
			got := routes.find([]byte("GET"), []byte("/segments/"+title+"/"+what))
			if got.route.pattern != "/segments/{title}/"+what || string(got.params[0]) != title {
				t.Errorf("%s of %s: %s of %q", what, title, got.route.pattern, got.params[0])
			}
		}
	}
	for path, want := range map[string]string{
		"/segments/count": "/segments/count", "/segments/overlap": "/segments/overlap",
		"/segments/forecast": "unknown-path", "/segments/history": "unknown-path", "/segments/count/overlap": "unknown-path",
	} {
		if got := routes.find([]byte("GET"), []byte(path)); got.route.pattern != want {
			t.Errorf("%s is %s", path, got.route.pattern)
		}
	}
}

func TestQueriesAreForgotten(t *testing.T) {
	s := serve(t, aheadTown(), Options{})
	for range 20 {
		for target, want := range map[string]int{
			"/segments/overlap?titles=a,x%2Cy":             200,
			"/segments/overlap":                            400,
			"/segments/a/forecast?step=1&until=1760000001": 200,
			"/segments/count?limit=1":                      200,
			"/segments/a/history?from=5&to=6":              200,
		} {
			if got := s.do(t, "GET", target, ""); got.status != want {
				t.Fatalf("%s: %v", target, got)
			}
		}
		if got := s.do(t, "GET", "/segments/a/forecast", ""); strings.Count(got.body, `"at"`) != 15 {
			t.Fatalf("%v: left over from another request", got)
		}
		if got := s.do(t, "GET", "/segments/count", ""); strings.Count(got.body, `"title"`) != 4 {
			t.Fatalf("%v: left over from another request", got)
		}
	}
}
