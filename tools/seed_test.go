package tools_test

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"headcount/client"
	"headcount/client/clienttest"
	"headcount/tools"
)

var lastLine = regexp.MustCompile(`^posted (\d+) users in \S+ \(\d+/s\): (\d+) created, (\d+) renewed, (\d+) unchanged, (\d+) expired\n$`)

// figures returns the numbers of the line: users, then created, renewed, unchanged
// and expired.
func figures(t *testing.T, line string) [5]int {
	t.Helper()
	match := lastLine.FindStringSubmatch(line)
	if match == nil {
		t.Fatalf("output %q is not the one plain line", line)
	}
	var numbers [5]int
	for i := range numbers {
		numbers[i], _ = strconv.Atoi(match[i+1])
	}
	return numbers
}

func TestSeedPostsEachUserOnce(t *testing.T) {
	server := clienttest.New(t)
	var out bytes.Buffer
	if err := tools.Seed(t.Context(), tools.SeedOptions{URL: server.URL, Users: 500, Out: &out}); err != nil {
		t.Fatal(err)
	}
	got := figures(t, out.String())
	if got[0] != 500 || got[1]+got[2]+got[3] != 500 || got[4] != 0 {
		t.Errorf("%q: want 500 users, none expired", out.String())
	}
	if got[1] != server.Memberships() || len(server.Requests()) != 500 {
		t.Errorf("%d created, %d held after %d requests", got[1], server.Memberships(), len(server.Requests()))
	}
}

func TestSeedChoosesFromTheSegmentsGiven(t *testing.T) {
	server := clienttest.New(t)
	options := tools.SeedOptions{URL: server.URL, Users: 200, Segments: []string{"sports", "news"}, Out: &bytes.Buffer{}}
	if err := tools.Seed(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	headcount, err := client.New(client.Options{}, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer headcount.Close()
	counts, err := headcount.Counts(t.Context())
	if err != nil || len(counts) != 2 {
		t.Errorf("counts %v, %v: want both segments and no other", counts, err)
	}
}

func TestSeedWithoutANumberChoosesOne(t *testing.T) {
	server := clienttest.New(t)
	var out bytes.Buffer
	if err := tools.Seed(t.Context(), tools.SeedOptions{URL: server.URL, Out: &out}); err != nil {
		t.Fatal(err)
	}
	if users := figures(t, out.String())[0]; users < 1 || users > 1000 || users != len(server.Requests()) {
		t.Errorf("%d users in %d requests", users, len(server.Requests()))
	}
}

func TestSeedOutlastsAChangeOfLeader(t *testing.T) {
	server := clienttest.New(t)
	server.FailNext(clienttest.Fault{Status: 503}, clienttest.Fault{Status: 504}, clienttest.Fault{Applied: true})
	var out bytes.Buffer
	if err := tools.Seed(t.Context(), tools.SeedOptions{URL: server.URL, Users: 50, Out: &out}); err != nil {
		t.Fatal(err)
	}
	if got := figures(t, out.String()); got[0] != 50 {
		t.Errorf("%q: want 50 users", out.String())
	}
}

func TestSeedStopsAtAnErrorAndCountsWhatItPosted(t *testing.T) {
	server := clienttest.New(t)
	server.FailNext(clienttest.Fault{Status: 400, Detail: "segments are full"})
	var out bytes.Buffer
	err := tools.Seed(t.Context(), tools.SeedOptions{URL: server.URL, Users: 100_000, Out: &out})
	if err == nil || !strings.Contains(err.Error(), "segments are full") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q: want the node's reason in one line", err)
	}
	if got := figures(t, out.String()); got[0] >= 100_000 {
		t.Errorf("it went on: %q", out.String())
	}
}

func TestSeedRefusesWhatItCannotDo(t *testing.T) {
	for _, options := range []tools.SeedOptions{
		{URL: "127.0.0.1:8000", Users: 1},
		{URL: "http://127.0.0.1:1", Users: -1},
		{URL: "http://127.0.0.1:1", Users: 1_000_001},
	} {
		options.Out = &bytes.Buffer{}
		if err := tools.Seed(t.Context(), options); err == nil {
			t.Errorf("%+v was accepted", options)
		}
	}
}
