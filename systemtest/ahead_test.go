package systemtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// Segments of the reads ahead: some are odd in a URL, some named like a path.
var aheadSegments = []string{"sports", "New York", "a,b", "overlap", "count", "é/+"}

// segmentPoint is one element of a forecast or a history.
type segmentPoint struct {
	At         int64 `json:"at"`
	UsersCount int64 `json:"usersCount"`
}

type segmentPoints struct {
	Title  string         `json:"title"`
	Points []segmentPoint `json:"points"`
}

type overlapReply struct {
	Segments     []segmentCount `json:"segments"`
	Intersection int64          `json:"intersection"`
	Union        int64          `json:"union"`
}

// aheadCheck compares what nodes say of the future, the past and overlaps with the
// plain map, as fresh as the given header or parameter asks.
type aheadCheck struct {
	t       *testing.T
	model   model
	header  map[string]string
	written int64           // Unix seconds: the last write was before it
	kept    map[int64]int64 // what nodes have shown of sports, by tick
}

// The reads of the future, of the past and across, on every node: with users posted
// over three nodes, after some have expired, after ticks, and with a node restarted.
func TestReadsAheadBackAndAcross(t *testing.T) {
	t.Parallel()
	c := startCluster(t, settings{bucketWidth: "1s", tickSchedule: "@every 2s"})
	soon := scaled(12 * time.Second)
	began := time.Now()
	gone := began.Add(soon).Unix()
	check, version := aheadCheck{t: t, model: model{}, kept: map[int64]int64{}}, newestVersion{}
	for _, r := range aheadRecords(began.Unix(), gone) {
		got := mustWrite(t, c.nodes[len(check.model)%3], r)
		check.model.write(r)
		version.merge(t, got.header.Get("Headcount-Version"))
	}
	check.written = time.Now().Unix() + 1
	if left := time.Until(time.Unix(gone, 0)); left < soon/3 {
		t.Fatalf("the writes took so long that only %v are left before the first expiry", left)
	}

	// Before the expiry, local and by version, and by what the leaders have.
	check.header = map[string]string{"Headcount-Min-Version": version.String()}
	check.everyNode(c, "")
	check.header = nil
	check.everyNode(c, "linearizable")
	if time.Now().Unix() >= gone {
		t.Fatal("the reads took longer than the first expiry")
	}

	// After the expiry, and ticks on both sides of it.
	time.Sleep(time.Until(time.Unix(gone+1, 0)))
	check.everyNode(c, "linearizable")
	check.historyOfBothSides(c, gone)

	n3 := c.nodes[2]
	if err := n3.stop(); err != nil {
		t.Fatal(err)
	}
	r := record{membership{"late", "sports"}, began.Unix() + 30*3600}
	mustWriteEventually(t, c.nodes[0], r)
	check.model.write(r)
	check.written = time.Now().Unix() + 1
	c.start(n3)
	c.waitReady(n3)
	check.everyNode(c, "linearizable")
	check.historyOfBothSides(c, gone)
}

// aheadRecords puts user i into the segments whose place in the list divides it; a
// fifth of them is gone soon, the others half past some hour.
func aheadRecords(now, gone int64) (records []record) {
	for i := range 120 {
		expiry := now + int64(i%50)*3600 + 1800
		if i%5 == 0 {
			expiry = gone
		}
		for place, segment := range aheadSegments {
			if i%(place+1) == 0 {
				records = append(records, record{membership{fmt.Sprintf("u%d", i), segment}, expiry})
			}
		}
	}
	return records
}

func (a *aheadCheck) everyNode(c *cluster, consistency string) {
	a.t.Helper()
	for _, n := range c.nodes {
		a.forecasts(n, consistency)
		a.countsAt(n, consistency)
		a.overlaps(n, consistency)
		a.histories(n, consistency)
	}
}

// get asks one node, again while it says that it is not as fresh as asked: after a
// restart a leader may be missing for a moment.
func (a *aheadCheck) get(n *node, path, query, consistency string, value any) {
	a.t.Helper()
	if consistency != "" {
		query += "&consistency=" + consistency
	}
	target := n.base + path + "?" + query
	var got reply
	eventually(a.t, 20*time.Second, "GET "+target, func() (err error) {
		got, err = send(context.Background(), request{method: http.MethodGet, url: target, header: a.header})
		if err == nil && got.status == http.StatusServiceUnavailable {
			err = errors.New(got.String())
		}
		return err
	})
	if got.status != http.StatusOK {
		a.t.Fatalf("GET %s: %v", target, got)
	}
	if err := json.Unmarshal(got.body, value); err != nil {
		a.t.Fatalf("GET %s: %v in %v", target, err, got)
	}
}

func (a *aheadCheck) countOf(segment string, at int64) int64 {
	for _, count := range a.model.counts(time.Unix(at, 0)) {
		if count.Title == segment {
			return count.UsersCount
		}
	}
	return 0
}

// forecasts wants points on the full hour after now, where nothing expires.
func (a *aheadCheck) forecasts(n *node, consistency string) {
	a.t.Helper()
	for _, segment := range append(slices.Clone(aheadSegments), "nobody") {
		asked := time.Now().Unix()
		var got segmentPoints
		query := url.Values{"until": {fmt.Sprint(asked + 60*3600 + 60)}, "step": {"1h"}}.Encode()
		a.get(n, "/segments/"+url.PathEscape(segment)+"/forecast", query, consistency, &got)
		if got.Title != segment || len(got.Points) != 61 || got.Points[0].At < asked || got.Points[0].At > time.Now().Unix() {
			a.t.Fatalf("%s forecasts %+v", n.id, got)
		}
		for i, p := range got.Points {
			if p.At != got.Points[0].At+int64(i)*3600 {
				a.t.Fatalf("%s: point %d of %q is at %d, after one at %d", n.id, i, segment, p.At, got.Points[0].At)
			}
			if want := a.countOf(segment, p.At); p.UsersCount != want {
				a.t.Errorf("%s forecasts %d in %q at %d, want %d", n.id, p.UsersCount, segment, p.At, want)
			}
		}
	}
}

func (a *aheadCheck) countsAt(n *node, consistency string) {
	a.t.Helper()
	for _, ahead := range []int64{60, 3600, 24 * 3600, 100 * 3600} {
		at := time.Now().Unix() + ahead
		instants := []string{fmt.Sprint(at), time.Unix(at, 0).In(time.FixedZone("", 2*3600)).Format(time.RFC3339)}
		for _, instant := range instants {
			var got []segmentCount
			a.get(n, "/segments/count", url.Values{"at": {instant}}.Encode(), consistency, &got)
			want := a.model.counts(time.Unix(at, 0))
			if !slices.Equal(got, want) {
				a.t.Errorf("%s counts %v at %s, want %v", n.id, got, instant, want)
			}
			got = nil
			a.get(n, "/segments/count", url.Values{"at": {instant}, "limit": {"2"}}.Encode(), consistency, &got)
			if want = want[:min(2, len(want))]; !slices.Equal(got, want) {
				a.t.Errorf("%s counts %v at %s, limited to two, want %v", n.id, got, instant, want)
			}
		}
	}
}

func (a *aheadCheck) overlaps(n *node, consistency string) {
	a.t.Helper()
	for _, titles := range [][]string{aheadSegments[:2], {"a,b", "sports"}, {"sports", "nobody"}, {"overlap", "count", "é/+"}, aheadSegments} {
		want := a.model.overlap(titles, time.Now().Unix())
		var escaped []string
		for _, title := range titles {
			escaped = append(escaped, url.QueryEscape(title))
		}
		var several, commas overlapReply
		a.get(n, "/segments/overlap", url.Values{"titles": titles}.Encode(), consistency, &several)
		a.get(n, "/segments/overlap", "titles="+strings.Join(escaped, ","), consistency, &commas)
		for form, got := range map[string]overlapReply{"several titles": several, "commas": commas} {
			if !reflect.DeepEqual(got, want) {
				a.t.Errorf("%s says %+v of %q by %s, want %+v", n.id, got, titles, form, want)
			}
		}
	}
}

// overlap is what the live memberships of the segments have in common.
func (m model) overlap(titles []string, now int64) overlapReply {
	var o overlapReply
	for _, title := range titles {
		o.Segments = append(o.Segments, segmentCount{Title: title})
	}
	in := map[string]int{} // by user: in how many of them
	for key, expiry := range m {
		if i := slices.Index(titles, key.segment); i >= 0 && expiry > now {
			o.Segments[i].UsersCount++
			in[key.id]++
		}
	}
	for _, n := range in {
		o.Union++
		if n == len(titles) {
			o.Intersection++
		}
	}
	return o
}

// histories wants every tick since the last write to have kept what the model counts.
func (a *aheadCheck) histories(n *node, consistency string) {
	a.t.Helper()
	for _, segment := range append(slices.Clone(aheadSegments), "nobody") {
		for _, p := range a.history(n, segment, a.written, consistency) {
			if want := a.countOf(segment, p.At); p.UsersCount != want {
				a.t.Errorf("%s kept %d in %q at the tick of %d, want %d", n.id, p.UsersCount, segment, p.At, want)
			}
		}
	}
}

func (a *aheadCheck) history(n *node, segment string, from int64, consistency string) []segmentPoint {
	a.t.Helper()
	var got segmentPoints
	query := url.Values{"from": {time.Unix(from, 0).UTC().Format(time.RFC3339)}, "to": {fmt.Sprint(time.Now().Unix() + 60)}}.Encode()
	a.get(n, "/segments/"+url.PathEscape(segment)+"/history", query, consistency, &got)
	for i, p := range got.Points {
		if got.Title != segment || p.At < from || p.At%2 != 0 || i > 0 && p.At <= got.Points[i-1].At {
			a.t.Fatalf("%s: history of %q from %d: %+v", n.id, segment, from, got)
		}
	}
	return got.Points
}

// historyOfBothSides waits until every node shows ticks from before the expiry and
// from after it and the last write. What any node has ever shown, all show.
func (a *aheadCheck) historyOfBothSides(c *cluster, gone int64) {
	a.t.Helper()
	for _, n := range c.nodes {
		eventually(a.t, 20*time.Second, "ticks before and after the expiry on "+n.id, func() error {
			var before, after int
			points := a.history(n, "sports", 0, "linearizable")
			shown := map[int64]int64{}
			for _, p := range points {
				shown[p.At] = p.UsersCount
				switch {
				case p.At < gone:
					before++
				case p.At >= a.written:
					after++
				}
			}
			for at, count := range a.kept {
				if got, known := shown[at]; !known || got != count {
					a.t.Fatalf("%s shows %d (%t) at the tick of %d, and another node, or itself before, %d", n.id, got, known, at, count)
				}
			}
			maps.Copy(a.kept, shown)
			if after < 2 || before == 0 {
				return fmt.Errorf("%d and %d", before, after)
			}
			return nil
		})
		a.histories(n, "linearizable")
	}
}

// newestVersion is the highest index of each shard that writes have named.
type newestVersion map[int]uint64

func (v newestVersion) merge(t *testing.T, text string) {
	t.Helper()
	for part := range strings.SplitSeq(text, ",") {
		var shard int
		var index uint64
		if _, err := fmt.Sscanf(part, "%d:%d", &shard, &index); err != nil {
			t.Fatalf("Headcount-Version %q: %v", text, err)
		}
		v[shard] = max(v[shard], index)
	}
}

func (v newestVersion) String() string {
	var parts []string
	for shard := range 64 {
		if index, named := v[shard]; named {
			parts = append(parts, fmt.Sprintf("%d:%d", shard, index))
		}
	}
	return strings.Join(parts, ",")
}
