package api

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"
)

// manySegments is a town whose counts are worth compressing.
func manySegments() *town {
	counts := map[string]int{}
	for i := range 100 {
		counts[fmt.Sprintf("segment %d", i)] = 1 + i%7
	}
	return newTown().people(counts)
}

func gunzip(t *testing.T, body string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestCountsAreCompressedWhereThatIsAskedFor(t *testing.T) {
	large, small := serve(t, manySegments(), Options{}), serve(t, newTown().people(map[string]int{"a": 1}), Options{})
	plain := large.do(t, "GET", "/segments/count", "")
	if plain.header.Get("Content-Encoding") != "" || plain.header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("without being asked: %v", plain)
	}
	for accept, want := range map[string]bool{
		"gzip": true, "GZIP": true, "deflate, gzip;q=0.1": true, "x-gzip": true, "*": true, "br, *;q=0.5": true,
		"identity": false, "gzip;q=0": false, "gzip; q=0.000": false, "*;q=0": false, "*, gzip;q=0": false, "gzipped": false, "": false,
	} {
		got := large.do(t, "GET", "/segments/count", "", "Accept-Encoding: "+accept)
		if zipped := got.header.Get("Content-Encoding") == "gzip"; got.status != 200 || zipped != want {
			t.Errorf("Accept-Encoding %q: %v, compressed %t, want %t", accept, got.status, zipped, want)
			continue
		}
		text := got.body
		if want {
			text = gunzip(t, got.body)
			if len(got.body) > len(text)/3 {
				t.Errorf("%d bytes for %d", len(got.body), len(text))
			}
		}
		if text != plain.body || got.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: another body, or Vary is %q", accept, got.header.Get("Vary"))
		}
		if same := got.header.Get("ETag") == plain.header.Get("ETag"); same == want {
			t.Errorf("Accept-Encoding %q: the tag is that of the other form: %t", accept, same)
		}
	}
	if got := small.do(t, "GET", "/segments/count", "", "Accept-Encoding: gzip"); got.header.Get("Content-Encoding") != "" {
		t.Errorf("a body of %d bytes is compressed", len(got.body))
	}
}

func TestCountsAreNotSentToWhoHasThem(t *testing.T) {
	town := manySegments()
	s, other := serve(t, town, Options{}), serve(t, manySegments(), Options{})
	tag := s.do(t, "GET", "/segments/count", "").header.Get("ETag")
	if len(tag) < 10 || tag[0] != '"' {
		t.Fatalf("the tag is %s", tag)
	}
	if got := other.do(t, "GET", "/segments/count", "").header.Get("ETag"); got != tag {
		t.Errorf("another node's tag for the same counts is %s, not %s", got, tag)
	}
	zipped := s.do(t, "GET", "/segments/count", "", "Accept-Encoding: gzip").header.Get("ETag")
	for _, has := range []string{tag, "W/" + tag, `"x", ` + tag, "*", zipped} {
		for _, method := range []string{"GET", "HEAD"} {
			got := s.do(t, method, "/segments/count", "", "If-None-Match: "+has)
			if got.status != 304 || got.body != "" || got.header.Get("ETag") != tag {
				t.Errorf("%s with If-None-Match %s: %v", method, has, got)
			}
		}
	}
	for _, has := range []string{`"x"`, strings.Trim(tag, `"`), ""} {
		if got := s.do(t, "GET", "/segments/count", "", "If-None-Match: "+has); got.status != 200 {
			t.Errorf("If-None-Match %s: %v", has, got)
		}
	}
	town.people(map[string]int{"one more": 1})
	if got := s.do(t, "GET", "/segments/count", "", "If-None-Match: "+tag); got.status != 200 || got.header.Get("ETag") == tag {
		t.Errorf("after a change: %v, tag %s", got.status, got.header.Get("ETag"))
	}
}

func TestTheSameBodyIsRepresentedOnce(t *testing.T) {
	var last lastRepresentation
	body := bytes.Repeat([]byte("x"), 5000)
	first := last.of(body)
	if last.of(body) != first || last.of(body[:4999]) == first || last.of(bytes.Clone(body)).tag != first.tag {
		t.Error("representations are not of their bodies")
	}
	if last.of(nil).tag == "" {
		t.Error("an empty body has no tag")
	}
}
