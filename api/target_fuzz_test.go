package api

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

func FuzzUnescapePath(f *testing.F) {
	for _, seed := range []string{"", "u1", "a%2Fb", "%", "%4", "%zz", "100%25", "a+b", "%c3%A9", "%00", "é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		want, err := url.PathUnescape(raw)
		got, ok := unescapePath([]byte("kept"), []byte(raw))
		if ok != (err == nil) || (ok && string(got) != "kept"+want) {
			t.Fatalf("%q: %q, %v, want %q, %v", raw, got, ok, want, err)
		}
	})
}

// Any two names, escaped as a client does it, reach the route as they were.
func FuzzNamesInPaths(f *testing.F) {
	f.Add("u1", "sports")
	f.Add("a/b?c#d", "..")
	f.Add("%2F", "é ")
	routes := newRouteTable()
	f.Fuzz(func(t *testing.T, id, title string) {
		if id == "" || title == "" {
			t.Skip()
		}
		for _, origin := range []string{"", "http://headcount:8000"} {
			uri := origin + "/users/" + url.PathEscape(id) + "/segments/" + url.PathEscape(title) + "?a=/b"
			got := routes.find([]byte("DELETE"), []byte(uri))
			if got.route.pattern != "/users/{ID}/segments/{title}" || string(got.query) != "a=/b" {
				t.Fatalf("%s: %+v", uri, got)
			}
			for i, want := range []string{id, title} {
				if name, ok := unescapePath(nil, got.params[i]); !ok || string(name) != want {
					t.Fatalf("%s: name %d is %q, want %q", uri, i, name, want)
				}
			}
		}
	})
}

// No target is too odd to be answered.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"", "*", "/", "//", "/users/", "http://", "http://h", "/users?", "/a/b/c/d/e", "://x/users"} {
		f.Add("GET", seed)
	}
	routes := newRouteTable()
	f.Fuzz(func(t *testing.T, method, uri string) {
		got := routes.find([]byte(method), []byte(uri))
		if got.route == nil || got.route == routes.malformed {
			t.Fatalf("%s %q: %+v", method, uri, got)
		}
		if got.route == routes.unknownMethod && got.allow == "" {
			t.Fatalf("%s %q: nothing is allowed", method, uri)
		}
	})
}

func FuzzVersion(f *testing.F) {
	for _, seed := range []string{
		"", "0:1042,3:77", "0:0", "00:1", "1:01", "+1:2", "1:-2", "1:2,", ",", "1", "1:", ":1", "4294967295:18446744073709551615",
		"4294967296:1", "2:1,1:1", "1:1,1:1", strings.Repeat("0:1,", 70), "0:1 ", "0:1;1:2",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		version, err := ParseVersion([]byte(text))
		if err != nil {
			return
		}
		if back := version.String(); back != text {
			t.Fatalf("%q came back as %q", text, back)
		}
		if len(version) == 0 || len(version) > versionPartsMax {
			t.Fatalf("%q has %d parts", text, len(version))
		}
	})
}

func TestVersionHasAtMost64Parts(t *testing.T) {
	var version Version
	for shard := range uint32(64) {
		version = append(version, ShardIndex{Shard: shard * 3, Index: uint64(shard)})
	}
	got, err := ParseVersion([]byte(version.String()))
	if err != nil || !slices.Equal(got, version) {
		t.Errorf("%v, %v", got, err)
	}
	version = append(version, ShardIndex{Shard: 1000, Index: 1})
	if got, err := ParseVersion([]byte(version.String())); err != errVersionParts {
		t.Errorf("%v, %v", got, err)
	}
}

func TestMergeKeepsTheHighestIndexOfEachShard(t *testing.T) {
	var version Version
	for _, part := range []ShardIndex{{3, 7}, {0, 1}, {3, 9}, {1<<32 - 1, 2}, {3, 8}, {0, 2}, {1, 5}} {
		version = version.merge(part)
	}
	if got, want := version.String(), "0:2,1:5,3:9,4294967295:2"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
