package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"headcount/client"
)

func TestSegmentsFollowZipfsLaw(t *testing.T) {
	const n, draws = 300, 2_000_000
	z, random := newZipf(n), rand.NewPCG(1, 2)
	var counts [n]int
	for range draws {
		counts[z.rank(random.Uint64())]++
	}
	var sum float64
	for rank := range n {
		sum += 1 / float64(rank+1)
	}
	for rank, count := range counts {
		want := draws / (float64(rank+1) * sum)
		// Six standard deviations: one seed in a million would fail, and this one is fixed.
		if math.Abs(float64(count)-want) > 6*math.Sqrt(want) {
			t.Errorf("rank %d was drawn %d times, want about %.0f", rank, count, want)
		}
	}
}

func TestOneSegmentIsAlwaysDrawn(t *testing.T) {
	z := newZipf(1)
	for _, random := range []uint64{0, 1, math.MaxUint64} {
		if rank := z.rank(random); rank != 0 {
			t.Errorf("rank %d of one", rank)
		}
	}
}

func TestTheSameSeedSendsTheSameMemberships(t *testing.T) {
	o := options{segments: 300, users: 1_000_000, bulk: 20}
	now := time.Unix(1_800_000_000, 0)
	requests := func(seed, stream uint64) (sent []byte) {
		d, p := newDraw(seed, stream, newZipf(o.segments), o.users), newPayload("h", o)
		for range 10 {
			p.fill(&d, now)
			sent = append(sent, p.bytes...)
		}
		return sent
	}
	first := requests(7, 0)
	if !bytes.Equal(first, requests(7, 0)) {
		t.Error("the same seed and worker sent something else")
	}
	if bytes.Equal(first, requests(8, 0)) || bytes.Equal(first, requests(7, 1)) {
		t.Error("another seed or worker sent the same")
	}
}

func TestARequestIsWhole(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, o := range []options{
		{segments: 1, users: 1},
		{segments: 10_000, users: usersMax},
		{segments: 300, users: 1_000_000, bulk: 1},
		{segments: 300, users: 1_000_000, bulk: 1000},
	} {
		d, p := newDraw(1, 1, newZipf(o.segments), o.users), newPayload("127.0.0.1:8000", o)
		for range 3 {
			p.fill(&d, now)
			request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(p.bytes)))
			if err != nil {
				t.Fatal(err)
			}
			if request.Host != "127.0.0.1:8000" || request.URL.Path != "/users" || request.Method != http.MethodPost {
				t.Errorf("%s %s to %s", request.Method, request.URL, request.Host)
			}
			wantType := "application/json"
			if o.bulk > 0 {
				wantType = "application/x-ndjson"
			}
			if got := request.Header.Get("Content-Type"); got != wantType {
				t.Errorf("content type %q, want %q", got, wantType)
			}
			records := 0
			for body := json.NewDecoder(request.Body); body.More(); records++ {
				var m client.Membership
				if err := body.Decode(&m); err != nil {
					t.Fatal(err)
				}
				if ahead := m.Expiry.Time().Sub(now); ahead < time.Hour || ahead > 14*24*time.Hour {
					t.Errorf("%+v expires %s ahead", m, ahead)
				}
			}
			if records != o.records() {
				t.Errorf("%d records, want %d", records, o.records())
			}
		}
	}
}

func BenchmarkFill(b *testing.B) {
	o := options{segments: 300, users: 1_000_000}
	d, p, now := newDraw(1, 1, newZipf(o.segments), o.users), newPayload("h", o), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		p.fill(&d, now)
	}
}
