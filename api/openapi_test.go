package api

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// openAPIDocument is the part of openapi.json that the routes must agree with.
type openAPIDocument struct {
	OpenAPI string
	Paths   map[string]map[string]json.RawMessage
}

type openAPIOperation struct {
	Responses   map[string]json.RawMessage
	Parameters  []struct{ Name, In, Ref string }
	RequestBody struct {
		Content map[string]json.RawMessage
	}
}

func readOpenAPI(t *testing.T) openAPIDocument {
	t.Helper()
	var document openAPIDocument
	if err := json.Unmarshal(openAPI, &document); err != nil {
		t.Fatalf("openapi.json: %v", err)
	}
	return document
}

func TestOpenAPIDescribesTheRoutes(t *testing.T) {
	var described, served []string
	for path, item := range readOpenAPI(t).Paths {
		for method := range item {
			if method != "parameters" {
				described = append(described, strings.ToUpper(method)+" "+path)
			}
		}
	}
	for _, r := range newRouteTable().served {
		served = append(served, r.method+" "+r.pattern)
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("openapi.json has\n%s\nbut the routes are\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
}

func TestOpenAPIDescribesWhatEachRouteReads(t *testing.T) {
	document := readOpenAPI(t)
	for _, r := range newRouteTable().served {
		var operation openAPIOperation
		if err := json.Unmarshal(document.Paths[r.pattern][strings.ToLower(r.method)], &operation); err != nil {
			t.Fatalf("%s %s: %v", r.method, r.pattern, err)
		}
		if described := len(operation.RequestBody.Content) > 0; described != r.body {
			t.Errorf("%s %s: body described: %v, read: %v", r.method, r.pattern, described, r.body)
		}
		text := string(document.Paths[r.pattern][strings.ToLower(r.method)])
		for param, described := range map[queryParams]bool{
			queryConsistency: strings.Contains(text, "/parameters/consistency"),
			queryVersion:     strings.Contains(text, "/parameters/minVersion"),
			queryLimit:       strings.Contains(text, `"limit"`),
			queryAt:          strings.Contains(text, `"name": "at"`),
			queryUntil:       strings.Contains(text, `"name": "until"`),
			queryStep:        strings.Contains(text, `"name": "step"`),
			queryFrom:        strings.Contains(text, `"name": "from"`),
			queryTo:          strings.Contains(text, `"name": "to"`),
			queryTitles:      strings.Contains(text, `"name": "titles"`),
		} {
			if (r.query&param != 0) != described {
				t.Errorf("%s %s: parameter %d described: %v", r.method, r.pattern, param, described)
			}
		}
		for _, status := range []string{"200", "500"} {
			if _, described := operation.Responses[status]; !described {
				t.Errorf("%s %s: status %s is not described", r.method, r.pattern, status)
			}
		}
	}
}

// A status that openapi.json does not have must not be sent: every bad request of
// the table that reaches a route is described.
func TestOpenAPIDescribesEveryRefusal(t *testing.T) {
	document, routes := readOpenAPI(t), newRouteTable()
	checked := 0
	for _, bad := range readBadRequests(t) {
		if bad.Raw != "" || bad.Status == 404 || bad.Status == 405 {
			continue
		}
		r := routes.find([]byte(bad.Method), []byte(expand(bad.Target))).route
		var operation openAPIOperation
		if err := json.Unmarshal(document.Paths[r.pattern][strings.ToLower(r.method)], &operation); err != nil {
			t.Fatalf("%s: %s %s: %v", bad.Name, r.method, r.pattern, err)
		}
		if _, described := operation.Responses[strconv.Itoa(bad.Status)]; !described {
			t.Errorf("%s: %s %s does not describe %d", bad.Name, r.method, r.pattern, bad.Status)
		}
		checked++
	}
	if checked < 60 {
		t.Errorf("only %d were checked", checked)
	}
}

// Every $ref leads somewhere.
func TestOpenAPIReferencesAreKept(t *testing.T) {
	var document any
	if err := json.Unmarshal(openAPI, &document); err != nil {
		t.Fatal(err)
	}
	references := 0
	var walk func(value any)
	walk = func(value any) {
		switch value := value.(type) {
		case []any:
			for _, element := range value {
				walk(element)
			}
		case map[string]any:
			if reference, ok := value["$ref"].(string); ok {
				references++
				if !leadsSomewhere(document, reference) {
					t.Errorf("%s leads nowhere", reference)
				}
			}
			for _, member := range value {
				walk(member)
			}
		}
	}
	walk(document)
	if references < 20 {
		t.Errorf("only %d references", references)
	}
}

func leadsSomewhere(document any, reference string) bool {
	path, local := strings.CutPrefix(reference, "#/")
	for name := range strings.SplitSeq(path, "/") {
		object, _ := document.(map[string]any)
		document = object[name]
	}
	return local && document != nil
}

func TestProblemTypesAreDescribed(t *testing.T) {
	manual, err := os.ReadFile("../docs/API.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []problemKind{
		problemBadRequest, problemNotFound, problemMethod, problemTimeout, problemRefused, problemTooLarge, problemMediaType,
		problemSegmentsFull, problemHeaderTooLarge, problemInternal, problemNotApplied, problemOutboxFull, problemStale, problemBusy,
		problemUnknown, problemPartly,
	} {
		if !strings.Contains(string(openAPI), `"`+problemURN+kind.name+`"`) {
			t.Errorf("openapi.json lacks %s", kind.name)
		}
		if !strings.Contains(string(manual), "`"+kind.name+"`") {
			t.Errorf("docs/API.md lacks %s", kind.name)
		}
	}
	for _, r := range newRouteTable().served {
		if !strings.Contains(string(manual), "`"+r.method+" "+r.pattern+"`") {
			t.Errorf("docs/API.md lacks %s %s", r.method, r.pattern)
		}
	}
}

func TestOpenAPIIsServed(t *testing.T) {
	s := serve(t, newTown(), Options{})
	if got := s.do(t, "GET", "/openapi.json", ""); got.status != 200 || got.body != string(openAPI) {
		t.Errorf("%.200v", got)
	}
}
