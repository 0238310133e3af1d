// Package deploy_test holds the container files to the cluster file they run:
// docker-compose.yml, Dockerfile, haproxy.cfg and cluster.yml beside this test.
package deploy_test

import (
	"bytes"
	"net"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"headcount/config"
)

const binary = "/usr/local/bin/headcount"

// compose is what docker-compose.yml says. A key that is not here is refused, so
// that a misspelt one is found without Docker.
type compose struct {
	Name       string
	Services   map[string]service
	Volumes    map[string]any
	Extensions map[string]any `yaml:",inline"` // x-*
}

type service struct {
	Build, Image, Restart, Hostname string
	Command                         []string
	Environment                     map[string]string
	DependsOn                       map[string]struct{ Condition string } `yaml:"depends_on"`
	Ports, Volumes                  []string
	ReadOnly                        bool     `yaml:"read_only"`
	CapDrop                         []string `yaml:"cap_drop"`
	SecurityOpt                     []string `yaml:"security_opt"`
	Ulimits                         map[string]int
	StopGracePeriod                 string `yaml:"stop_grace_period"`
	ShmSize                         string `yaml:"shm_size"`
	Healthcheck                     struct {
		Test              []string
		Interval, Timeout string
		StartPeriod       string `yaml:"start_period"`
		Retries           int
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func readCompose(t *testing.T) compose {
	t.Helper()
	var c compose
	decoder := yaml.NewDecoder(bytes.NewReader(read(t, "../docker-compose.yml")))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil {
		t.Fatal(err)
	}
	for name := range c.Extensions {
		if !strings.HasPrefix(name, "x-") {
			t.Errorf("docker-compose.yml: unknown key %s", name)
		}
	}
	return c
}

func readCluster(t *testing.T) *config.Config {
	t.Helper()
	c, err := config.Parse("deploy/cluster.yml", read(t, "cluster.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Nodes) != 3 {
		t.Fatalf("want three nodes, got %+v", c.Nodes)
	}
	return c
}

func TestClusterIsTheDefaults(t *testing.T) {
	got := readCluster(t)
	want := config.Default()
	want.Nodes = got.Nodes
	want.Log.Format = "json"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

func TestServices(t *testing.T) {
	c, cluster := readCompose(t), readCluster(t)
	if len(c.Services) != len(cluster.Nodes)+2 {
		t.Errorf("want one service per node, postgres and haproxy, got %d services", len(c.Services))
	}
	for name, s := range c.Services {
		if s.Image == "" || s.Restart == "" || len(s.Healthcheck.Test) == 0 {
			t.Errorf("%s: lacks an image, a restart policy or a health check", name)
		}
		if published := len(s.Ports) > 0; published != (name == "haproxy") {
			t.Errorf("%s: publishes %v", name, s.Ports)
		}
		for other := range s.DependsOn {
			if _, ok := c.Services[other]; !ok {
				t.Errorf("%s: depends on %s, which is no service", name, other)
			}
		}
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(v, ":")
			if path, isFile := strings.CutPrefix(source, "./"); isFile {
				read(t, "../"+path)
			} else if _, ok := c.Volumes[source]; !ok {
				t.Errorf("%s: volume %s is not declared", name, source)
			}
		}
	}
}

func TestNodeServices(t *testing.T) {
	c, cluster := readCompose(t), readCluster(t)
	const file = "/etc/headcount/cluster.yml"
	for _, n := range cluster.Nodes {
		s, ok := c.Services[n.ID]
		if !ok {
			t.Errorf("%s is no service", n.ID)
			continue
		}
		for _, address := range []string{n.HTTP, n.Peer, n.Gossip} {
			if host, _, err := net.SplitHostPort(address); err != nil || host != s.Hostname {
				t.Errorf("%s listens on %s, but its host name is %s", n.ID, address, s.Hostname)
			}
		}
		wantEqual(t, n.ID+": command", s.Command, []string{"serve", "--config", file, "--node", n.ID})
		wantEqual(t, n.ID+": volumes", s.Volumes, []string{"./deploy/cluster.yml:" + file + ":ro", n.ID + ":" + n.Data})
		wantEqual(t, n.ID+": health check", s.Healthcheck.Test, []string{"CMD", binary, "healthcheck", "--url", "http://" + n.HTTP + "/readyz"})
		if s.Build != "." {
			t.Errorf("%s: built from %q", n.ID, s.Build)
		}
		if len(s.DependsOn) != 1 || s.DependsOn["postgres"].Condition != "service_healthy" {
			t.Errorf("%s: waits for %v, want a healthy postgres and nothing else", n.ID, s.DependsOn)
		}
		if s.Ulimits["nofile"] < 2*cluster.HTTP.ConnectionsMax {
			t.Errorf("%s: %d open files for %d connections", n.ID, s.Ulimits["nofile"], cluster.HTTP.ConnectionsMax)
		}
	}
}

func TestPostgresService(t *testing.T) {
	c := readCompose(t)
	s := c.Services["postgres"]
	if s.Image != "postgres:17" {
		t.Errorf("image %s", s.Image)
	}
	user, database := s.Environment["POSTGRES_USER"], s.Environment["POSTGRES_DB"]
	wantEqual(t, "health check", s.Healthcheck.Test,
		[]string{"CMD", "pg_isready", "--host=127.0.0.1", "--username=" + user, "--dbname=" + database})
	for _, n := range readCluster(t).Nodes {
		got, err := url.Parse(c.Services[n.ID].Environment[config.PostgresURLEnv])
		if err != nil {
			t.Fatal(err)
		}
		want := url.URL{
			Scheme: "postgres", User: url.UserPassword(user, s.Environment["POSTGRES_PASSWORD"]),
			Host: "postgres:5432", Path: "/" + database, RawQuery: "sslmode=disable",
		}
		if got.String() != want.String() {
			t.Errorf("%s reaches %s, want %s", n.ID, got, &want)
		}
	}
}

func TestLoadBalancerService(t *testing.T) {
	s := readCompose(t).Services["haproxy"]
	wantEqual(t, "ports", s.Ports, []string{"127.0.0.1:8000:8000"})
	wantEqual(t, "volumes", s.Volumes, []string{"./deploy/haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro"})
	wantEqual(t, "health check", s.Healthcheck.Test, []string{"CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8000/readyz"})
	nodes := readCluster(t).Nodes
	for _, n := range nodes {
		if s.DependsOn[n.ID].Condition != "service_started" {
			t.Errorf("starts without %s", n.ID)
		}
	}
	if len(s.DependsOn) != len(nodes) {
		t.Errorf("waits for %v", s.DependsOn)
	}
}

func TestLoadBalancer(t *testing.T) {
	cluster := readCluster(t)
	sections := haproxySections(t)

	frontend := sections["frontend clients"]
	wantEqual(t, "bind", frontend["bind"], []string{":8000"})
	wantEqual(t, "default_backend", frontend["default_backend"], []string{"nodes"})

	backend := sections["backend nodes"]
	var servers []string
	for _, n := range cluster.Nodes {
		servers = append(servers, n.ID+" "+n.HTTP)
	}
	wantEqual(t, "servers", backend["server"], servers)
	wantEqual(t, "health check", backend["http-check"], []string{"send meth GET uri /readyz ver HTTP/1.1 hdr Host headcount", "expect status 200"})
	if !slices.Contains(backend["option"], "httpchk") || !slices.Contains(strings.Fields(strings.Join(backend["default-server"], " ")), "check") {
		t.Error("servers are not checked")
	}
	wantEqual(t, "retries of sent requests", backend["retry-on"], []string{"conn-failure"})

	maxconn, err := strconv.Atoi(strings.Join(sections["global"]["maxconn"], " "))
	if err != nil || maxconn < 1 || maxconn > cluster.HTTP.ConnectionsPerIPMax {
		t.Errorf("maxconn %d, %v: a node takes %d from one address", maxconn, err, cluster.HTTP.ConnectionsPerIPMax)
	}
	for _, line := range sections["defaults"]["timeout"] {
		if text, found := strings.CutPrefix(line, "server "); found {
			if d, err := time.ParseDuration(text); err != nil || d < 2*cluster.Write.Timeout {
				t.Errorf("gives up after %s, %v: a write may take %s", text, err, cluster.Write.Timeout)
			}
			return
		}
	}
	t.Error("no timeout server")
}

// haproxySections returns the arguments of each keyword's lines, by section.
func haproxySections(t *testing.T) map[string]map[string][]string {
	t.Helper()
	sections := map[string]map[string][]string{}
	var current map[string][]string
	for line := range strings.Lines(string(read(t, "haproxy.cfg"))) {
		text, _, _ := strings.Cut(line, "#")
		switch fields := strings.Fields(text); {
		case len(fields) == 0:
		case text[0] != ' ':
			current = map[string][]string{}
			sections[strings.Join(fields, " ")] = current
		default:
			current[fields[0]] = append(current[fields[0]], strings.Join(fields[1:], " "))
		}
	}
	return sections
}

func TestImage(t *testing.T) {
	var goVersion string
	for line := range strings.Lines(string(read(t, "../go.mod"))) {
		if text, found := strings.CutPrefix(line, "go "); found {
			goVersion = strings.TrimSuffix(strings.TrimSpace(text), ".0")
		}
	}
	var instructions []string
	for line := range strings.Lines(string(read(t, "../Dockerfile"))) {
		instructions = append(instructions, strings.TrimSpace(line))
	}
	last := slices.Index(instructions, "FROM scratch")
	if last < 0 || instructions[0] != "FROM golang:"+goVersion+" AS build" {
		t.Fatalf("want golang:%s, then scratch, got %q", goVersion, instructions)
	}
	for _, want := range []string{
		"USER 65532:65532",
		`ENTRYPOINT ["` + binary + `"]`,
		"COPY --from=build /out/headcount " + binary,
		"COPY --from=build --chown=65532:65532 /out/data " + readCluster(t).Nodes[0].Data,
	} {
		if !slices.Contains(instructions[last:], want) {
			t.Errorf("the image lacks %s", want)
		}
	}
}

func wantEqual(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}
