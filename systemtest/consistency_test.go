package systemtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// rounds is how often each promise of consistency is tried.
const rounds = 300

func TestReadYourWrites(t *testing.T) {
	t.Parallel()
	c := startCluster(t, settings{})
	expiry := time.Now().Add(time.Hour).Unix()
	for i := range rounds {
		writeTo, readFrom := c.nodes[i%3], c.nodes[(i+1+i/3%2)%3]
		// A version stands for its own write, so each has a segment of its own.
		segment := fmt.Sprintf("own%d", i)
		got := mustWrite(t, writeTo, record{membership{fmt.Sprintf("u%d", i), segment}, expiry})
		version := got.header.Get("Headcount-Version")
		if version == "" {
			t.Fatalf("a write to %s is answered without Headcount-Version", writeTo.id)
		}
		read := request{
			method: http.MethodGet, url: readFrom.base + "/segments/" + segment + "/count",
			header: map[string]string{"Headcount-Min-Version": version},
		}
		wantExactly(t, read, 1)
	}
}

func TestLinearizable(t *testing.T) {
	t.Parallel()
	c := startCluster(t, settings{})
	expiry := time.Now().Add(time.Hour).Unix()
	for i := range rounds {
		mustWrite(t, c.nodes[i%3], record{membership{fmt.Sprintf("u%d", i), "own"}, expiry})
		readFrom := c.nodes[(i+1+i/3%2)%3]
		wantExactly(t, request{method: http.MethodGet, url: readFrom.base + "/segments/own/count?consistency=linearizable"}, i+1)
		listed := request{method: http.MethodGet, url: readFrom.base + "/segments/count?consistency=linearizable"}
		got, err := send(context.Background(), listed)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(`[{"title":"own","usersCount":%d}]`, i+1); got.status != http.StatusOK || string(bytes.TrimSpace(got.body)) != want {
			t.Fatalf("GET %s after %d acknowledged writes: %v, want %s", listed.url, i+1, got, want)
		}
	}
}

// wantExactly makes one read, with no second try.
func wantExactly(t *testing.T, read request, want int) {
	t.Helper()
	got, err := send(context.Background(), read)
	if err != nil {
		t.Fatal(err)
	}
	var count segmentCount
	if err := json.Unmarshal(got.body, &count); err != nil || got.status != http.StatusOK {
		t.Fatalf("GET %s: %v", read.url, got)
	}
	if count.UsersCount != int64(want) {
		t.Fatalf("GET %s counts %d, and %d writes were acknowledged", read.url, count.UsersCount, want)
	}
}
