package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"headcount/config"
)

// oneNode is the least a cluster file holds; it has five lines.
const oneNode = `nodes:
  - id: n1
    http: 127.0.0.1:8000
    peer: 127.0.0.1:8010
    gossip: 127.0.0.1:8020
`

func mustParse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("cluster.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// problems returns what is wrong in text, and fails for an error of another kind.
func problems(t testing.TB, text string) []*config.Problem {
	t.Helper()
	c, err := config.Parse("cluster.yml", []byte(text))
	if err == nil {
		return nil
	}
	if c != nil {
		t.Errorf("a config beside the error %v", err)
	}
	list, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("not a joined error: %v", err)
	}
	var found []*config.Problem
	for _, one := range list.Unwrap() {
		var p *config.Problem
		if !errors.As(one, &p) {
			t.Fatalf("not a problem: %v", one)
		}
		found = append(found, p)
	}
	return found
}

func TestRepositoryFileIsTheDefaults(t *testing.T) {
	t.Setenv(config.PostgresURLEnv, "")
	got, err := config.Load("../cluster.yml")
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.Nodes = []config.Node{
		{ID: "n1", HTTP: "127.0.0.1:8000", Peer: "127.0.0.1:8010", Gossip: "127.0.0.1:8020", Data: "data/n1"},
		{ID: "n2", HTTP: "127.0.0.1:8001", Peer: "127.0.0.1:8011", Gossip: "127.0.0.1:8021", Data: "data/n2"},
		{ID: "n3", HTTP: "127.0.0.1:8002", Peer: "127.0.0.1:8012", Gossip: "127.0.0.1:8022", Data: "data/n3"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("cluster.yml differs from the defaults:\n got %+v\nwant %+v", got, want)
	}
}

// Without this, a key could be left out of cluster.yml and the test above would
// not see it. Keys are the fields' names in snake case.
func TestRepositoryFileHasEveryKey(t *testing.T) {
	data, err := os.ReadFile("../cluster.yml")
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]any{}
	if err := yaml.Unmarshal(data, &given); err != nil {
		t.Fatal(err)
	}
	wanted := 0
	for section := range reflect.TypeFor[config.Config]().Fields() {
		keys, entry := given[snake(section.Name)], section.Type
		if list, ok := keys.([]any); ok {
			keys, entry = list[0], section.Type.Elem()
		}
		for field := range entry.Fields() {
			wanted++
			if _, ok := keys.(map[string]any)[snake(field.Name)]; !ok {
				t.Errorf("cluster.yml lacks %s.%s", snake(section.Name), snake(field.Name))
			}
		}
	}
	if wanted < 35 {
		t.Errorf("only %d keys looked for", wanted)
	}
}

var wordStart = regexp.MustCompile(`([a-z])([A-Z])|([A-Z])([A-Z][a-z])`)

// snake turns ConnectionsPerIPMax into connections_per_ip_max.
func snake(name string) string {
	return strings.ToLower(wordStart.ReplaceAllString(name, "${1}${3}_${2}${4}"))
}

func TestLeftOutKeysHaveTheirDefaults(t *testing.T) {
	want := config.Default()
	want.Nodes = []config.Node{
		{ID: "n1", HTTP: "127.0.0.1:8000", Peer: "127.0.0.1:8010", Gossip: "127.0.0.1:8020", Data: "data/n1"},
	}
	for _, text := range []string{oneNode, oneNode + "write:\n  # timeout: 1s\n", oneNode + "raft: {}\n"} {
		if got := mustParse(t, text); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %+v\nwant %+v", text, got, want)
		}
	}
}

// Every key reaches its field: each value differs from the default.
func TestEveryKeyReachesItsField(t *testing.T) {
	got := mustParse(t, everyKey)
	v := reflect.ValueOf(*got)
	d := reflect.ValueOf(*config.Default())
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if name == "Nodes" {
			continue
		}
		for j := range v.Field(i).NumField() {
			if v.Field(i).Field(j).Equal(d.Field(i).Field(j)) {
				t.Errorf("%s.%s kept its default", name, v.Field(i).Type().Field(j).Name)
			}
		}
	}
	if got.Write.DefaultLifetime.String() != "36h0m0s" || got.Raft.SnapshotBytes != 2<<30 || got.Cluster.Shards != 8 || got.Raft.LogStore != "bolt" {
		t.Errorf("values went astray: %+v", got)
	}
}

const everyKey = `cluster: {name: other, shards: 8, bucket_width: 30s, segments_max: 20, history_points: 500, voters_max: 3}
nodes: [{id: a, http: "a:1", peer: "a:2", gossip: "[::1]:3", data: /var/lib/a}]
http:
  body_bytes_max: 1024
  bulk_body_bytes_max: 1 MiB
  read_timeout: 1s
  write_timeout: 2s
  idle_timeout: 3s
  connections_max: 5
  connections_per_ip_max: 4
write: {timeout: 250ms, queue_bytes_max: 1MiB, default_lifetime: 1d12h, lifetime_max: 30d}
tick: {schedule: "@every 30s", time_zone: Europe/Berlin, skew_max: 1s}
postgres: {url: "postgres://u:p@h/d", flush_rows_max: 10, outbox_bytes_max: 1GiB, window_bytes_max: 0, window_max: 1h, outbox_memory_bytes: 1MiB, retention: 90d}
raft:
  heartbeat_timeout: 200ms
  election_timeout: 300ms
  leader_lease_timeout: 100ms
  snapshot_bytes: 2GiB
  trailing_bytes: 65536
  disk_stall_max: 5s
  log_store: bolt
log: {level: debug, format: json}
`

func TestNode(t *testing.T) {
	c := mustParse(t, oneNode)
	if n, ok := c.Node("n1"); !ok || n != c.Nodes[0] {
		t.Errorf("n1 is %+v, %v", n, ok)
	}
	if n, ok := c.Node("n2"); ok {
		t.Errorf("found n2: %+v", n)
	}
}

func TestPostgresURLFromTheEnvironment(t *testing.T) {
	write := func(text string) string {
		path := filepath.Join(t.TempDir(), "cluster.yml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv(config.PostgresURLEnv, "postgres://from/environment")
	for text, want := range map[string]string{
		oneNode:                              "postgres://from/environment",
		oneNode + "postgres:\n  url: \"\"\n": "postgres://from/environment",
		oneNode + "postgres:\n  url: postgres://from/file\n": "postgres://from/file",
	} {
		if c, err := config.Load(write(text)); err != nil || c.Postgres.URL != want {
			t.Errorf("%q: got %v, %v, want %s", text, c, err, want)
		}
	}
	if got := mustParse(t, oneNode).Postgres.URL; got != "" {
		t.Errorf("Parse looked at the environment: %s", got)
	}
	t.Setenv(config.PostgresURLEnv, "user:geheim@host:port")
	_, err := config.Load(write(oneNode))
	if err == nil || !strings.Contains(err.Error(), config.PostgresURLEnv) || strings.Contains(err.Error(), "geheim") {
		t.Errorf("want an error that names the variable and not the password, got %v", err)
	}
}

func TestLoadNamesTheMissingFile(t *testing.T) {
	_, err := config.Load(filepath.Join(t.TempDir(), "none.yml"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "none.yml") {
		t.Errorf("got %v", err)
	}
}
