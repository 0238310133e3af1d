package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every peer whose program is on this machine, really started, filled and measured.
func TestCompare(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // as compare does for what is below
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file, table := filepath.Join(dir, "compare.json"), filepath.Join(dir, "compare.md")
	var out, errs bytes.Buffer
	exit := run(t.Context(), []string{
		"compare", "--held", "2000", "--bulk", "100", "--connections", "4", "--duration", "200ms",
		"--port", "18140", "--data", dir, "--json", file, "--markdown", table,
	}, strings.NewReader(""), &out, &errs)
	if exit != exitGood {
		t.Fatalf("exit status %d:\n%s%s", exit, out.String(), errs.String())
	}
	document, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var report compareReport
	if err := json.Unmarshal(document, &report); err != nil {
		t.Fatalf("%v: %s", err, document)
	}
	for _, p := range peers() {
		at := slices.IndexFunc(report.Peers, func(f peerFigures) bool { return f.Name == p.name })
		missing := p.missing()
		if (at < 0) != (missing != "") || report.LeftOut[p.name] != missing {
			t.Errorf("%s: missing %q, figures at %d, left out %q", p.name, missing, at, report.LeftOut)
		}
		if at < 0 {
			t.Logf("%s is not measured: it needs %s", p.name, missing)
			continue
		}
		run := report.Peers[at].Runs[0]
		if run.Held != 2000 || run.Single.Acknowledged == 0 || run.Bulk.Acknowledged < 100 || len(run.Single.Trouble)+len(run.Bulk.Trouble) > 0 {
			t.Errorf("%s: %+v", p.name, run)
		}
		if !strings.Contains(out.String(), "| "+p.name+" ") {
			t.Errorf("the table lacks %s:\n%s", p.name, out.String())
		}
	}
	if written, err := os.ReadFile(table); err != nil || !bytes.Equal(written, out.Bytes()) {
		t.Errorf("the Markdown file is not what was printed (%v)", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "bench-compare-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q (%v)", left, err)
	}
}

func TestCompareRefusesOptions(t *testing.T) {
	for _, args := range [][]string{
		{"--only", "mysql"},
		{"--only", "redis,"},
		{"--bulk", "1"},
		{"--held", "-1"},
		{"--runs", "0"},
		{"--connections", "0"},
		{"--connections", "100000"},
		{"--duration", "1ms"},
		{"more"},
	} {
		var errs bytes.Buffer
		if exit := run(t.Context(), append([]string{"compare"}, args...), nil, &errs, &errs); exit != exitUsage || errs.Len() == 0 {
			t.Errorf("%q: exit status %d, %s", args, exit, errs.String())
		}
	}
}

// What a sender does not know to be acknowledged is not counted as if it were.
func TestRefusedWritesAreNotCounted(t *testing.T) {
	load := options{bulk: 3, segments: 10, users: 10}
	for name, peer := range map[string]func(*testing.T) *site{"redis": refusingRedis, "etcd": refusingEtcd} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			s, err := peer(t).open(ctx, 0, load)
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			d, tally := newDraw(1, 1, newZipf(load.segments), load.users), newTally(true)
			s.send(&d, time.Now(), tally)
			s.send(&d, time.Now(), tally)
			f := figuresOf(tally, time.Second, 0)
			want := map[string]uint64{"redis": 2 + 3, "etcd": 3}[name]
			if f.Acknowledged != want || f.good() {
				t.Errorf("%d acknowledged, want %d, and trouble to be told: %+v", f.Acknowledged, want, f)
			}
		})
	}
}

// refusingRedis refuses one of the first three commands.
func refusingRedis(t *testing.T) *site {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		commands := 0
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			if lines.Text() != "ZADD" {
				continue
			}
			if commands++; commands == 2 {
				fmt.Fprint(conn, "-OOM command not allowed\r\n")
			} else {
				fmt.Fprint(conn, ":1\r\n")
			}
		}
	}()
	return &site{open: func(ctx context.Context, _ int, o options) (sender, error) {
		return openRedis(ctx, listener.Addr().String(), o)
	}}
}

// refusingEtcd refuses the first request, and says of the second that it has a key twice.
func refusingEtcd(t *testing.T) *site {
	requests := 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		switch requests++; requests {
		case 1: // without a body: in the header
			w.Header().Set("Grpc-Status", "8")
			w.Header().Set("Grpc-Message", "etcdserver: mvcc: database space exceeded")
		case 2:
			w.Header().Set("Grpc-Status", "3")
			w.Header().Set("Grpc-Message", "etcdserver: duplicate key given in txn request")
		default:
			w.Header().Set("Trailer", "Grpc-Status")
			_, _ = w.Write(make([]byte, 5))
			w.Header().Set("Grpc-Status", "0")
		}
	}))
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	server.Config.Protocols = protocols
	server.Start()
	t.Cleanup(server.Close)
	client := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	t.Cleanup(client.CloseIdleConnections)
	return &site{open: func(ctx context.Context, _ int, o options) (sender, error) {
		return newEtcdSender(ctx, client, server.URL, o), nil
	}}
}

// The bytes that are sent, as the protocols have them.
func TestPayloadsOfPeers(t *testing.T) {
	o := options{segments: 1, users: 1}
	now := time.Unix(1_800_000_000, 0)
	filled := func(p *payload) string {
		d := newDraw(1, 1, newZipf(o.segments), o.users)
		p.fill(&d, now)
		return string(p.bytes)
	}
	d := newDraw(1, 1, newZipf(o.segments), o.users)
	_, _ = d.user(), d.segment()
	expiry := fmt.Sprint(d.expiry(now))

	want := "*5\r\n$4\r\nZADD\r\n$4\r\ns000\r\n$2\r\nGT\r\n$10\r\n" + expiry + "\r\n$7\r\nu000000\r\n"
	if got := filled(newRedisPayload(o)); got != want {
		t.Errorf("redis: %q, want %q", got, want)
	}
	put := "\x0a\x0cs000/u000000\x12\x0a" + expiry
	if got, want := filled(newEtcdPayload(o)), "\x00\x00\x00\x00\x1a"+put; got != want {
		t.Errorf("etcd put: %q, want %q", got, want)
	}
	o.bulk = 1
	if got, want := filled(newEtcdPayload(o)), "\x00\x00\x00\x00\x1e\x12\x1c\x12\x1a"+put; got != want {
		t.Errorf("etcd transaction: %q, want %q", got, want)
	}
}
