package config_test

import (
	"fmt"
	"strings"
	"testing"

	"headcount/config"
)

// Each case is a file of one node in lines 1 to 5, and what follows from line 6
// on. The messages are whole: they are what an operator works with.
func TestStrict(t *testing.T) {
	for what, tc := range map[string]struct{ text, want string }{
		"unknown key, one near": {
			"http:\n  conections_max: 5\n",
			`cluster.yml:7: http.conections_max: unknown key: did you mean connections_max?`,
		},
		"unknown key, none near": {
			"log:\n  colour: red\n",
			`cluster.yml:7: log.colour: unknown key: known here: level, format`,
		},
		"unknown section": {
			"postgress:\n  url: \"\"\n",
			`cluster.yml:6: postgress: unknown key: did you mean postgres?`,
		},
		"key twice": {
			"log:\n  level: info\n  level: warn\n",
			`cluster.yml:8: log.level: already given in line 7: keep one of them`,
		},
		"section twice": {
			"log:\n  level: info\nlog:\n  format: json\n",
			`cluster.yml:8: log: already given in line 6: keep one of them`,
		},
		"merge key": {
			"log:\n  <<: {level: info}\n",
			`cluster.yml:7: log.<<: unknown key: known here: level, format`,
		},
		"no word for a key": {
			"log:\n  [level]: info\n",
			`cluster.yml:7: log: a key is a list: write one plain word`,
		},
		"section without keys": {
			"log: info\n",
			`cluster.yml:6: log: is the text "info", not a group of keys: write level: and its value under it`,
		},
		"no value": {
			"log:\n  level:\n",
			`cluster.yml:7: log.level: no value: give one, or take the line out for the default`,
		},
		"number for text": {
			"cluster:\n  name: 7\n",
			`cluster.yml:7: cluster.name: is the number 7, not text: write it in quotes`,
		},
		"text for a number": {
			"cluster:\n  shards: \"4\"\n",
			`cluster.yml:7: cluster.shards: is the text "4": write a whole number from 1 to 64`,
		},
		"octal number": {
			"cluster:\n  shards: 010\n",
			`cluster.yml:7: cluster.shards: is the number 010: write a whole number from 1 to 64`,
		},
		"number out of bounds": {
			"cluster:\n  shards: 65\n",
			`cluster.yml:7: cluster.shards: is the number 65: write a whole number from 1 to 64`,
		},
		"list for a number": {
			"cluster:\n  shards: [4]\n",
			`cluster.yml:7: cluster.shards: is a list: write a whole number from 1 to 64`,
		},
		"time without unit": {
			"write:\n  timeout: 5\n",
			`cluster.yml:7: write.timeout: is the number 5: write a number with ms, s, m, h or d, from 10ms to 1m`,
		},
		"time out of bounds": {
			"write:\n  lifetime_max: 401d\n",
			`cluster.yml:7: write.lifetime_max: is the text "401d": write a number with ms, s, m, h or d, from 1s to 400d`,
		},
		"broken second": {
			"cluster:\n  bucket_width: 1500ms\n",
			`cluster.yml:7: cluster.bucket_width: is the text "1500ms": write whole seconds, such as 1s`,
		},
		"decimal unit": {
			"raft:\n  snapshot_bytes: 64MB\n",
			`cluster.yml:7: raft.snapshot_bytes: is the text "64MB": write bytes, or a whole number with KiB, MiB or GiB, from 64KiB to 64GiB`,
		},
		"size beyond all numbers": {
			"raft:\n  snapshot_bytes: 9223372036854775807GiB\n",
			`cluster.yml:7: raft.snapshot_bytes: is the text "9223372036854775807GiB": write bytes, or a whole number with KiB, MiB or GiB, from 64KiB to 64GiB`,
		},
		"none of the words": {
			"log:\n  level: verbose\n",
			`cluster.yml:7: log.level: is "verbose": write debug or info or warn or error`,
		},
		"schedule": {
			"tick:\n  schedule: \"@every 1500ms\"\n",
			`cluster.yml:7: tick.schedule: @every 1500ms is not a schedule: write whole seconds from 1s to 366d, such as "@every 30s"`,
		},
		"time zone": {
			"tick:\n  time_zone: Europe/Berln\n",
			`cluster.yml:7: tick.time_zone: "Europe/Berln" is not a time zone: write an IANA name such as Europe/Berlin, or UTC`,
		},
		"database URL": {
			"postgres:\n  url: host=db password=geheim\n",
			`cluster.yml:7: postgres.url: is not a PostgreSQL URL: write postgres://user:password@host:5432/database, with special characters of the password as %40 and the like`,
		},
		"lease above heartbeat": {
			"raft:\n  leader_lease_timeout: 2s\n  election_timeout: 1s\n",
			`cluster.yml:7: raft.leader_lease_timeout: 2s is more than raft.heartbeat_timeout, which is 1s (by default): write at most that here, or raise it there`,
		},
		"heartbeat below lease": {
			"raft:\n  heartbeat_timeout: 300ms\n",
			`cluster.yml:7: raft.heartbeat_timeout: 300ms is less than raft.leader_lease_timeout, which is 500ms (by default): write at least that here, or lower it there`,
		},
		"lifetime above its limit": {
			"write:\n  lifetime_max: 7d\n  default_lifetime: 7d1h\n",
			`cluster.yml:8: write.default_lifetime: 169h is more than write.lifetime_max, which is 7d (line 7): write at most that here, or raise it there`,
		},
		"heartbeat above election": {
			"raft:\n  election_timeout: 500ms\n",
			`cluster.yml:7: raft.election_timeout: 500ms is less than raft.heartbeat_timeout, which is 1s (by default): write at least that here, or lower it there`,
		},
		"body above bulk body": {
			"http:\n  body_bytes_max: 9MiB\n",
			`cluster.yml:7: http.body_bytes_max: 9MiB is more than http.bulk_body_bytes_max, which is 8MiB (by default): write at most that here, or raise it there`,
		},
		"a rule between values that are wrong already says nothing": {
			"write:\n  lifetime_max: 0s\n  default_lifetime: 7d\n",
			`cluster.yml:7: write.lifetime_max: is the text "0s": write a number with ms, s, m, h or d, from 1s to 400d`,
		},
		"alias": {
			"log:\n  level: &a info\n  format: *a\n",
			"cluster.yml:7: &a is an anchor, which is not supported: leave it out, or quote the value if it is text\n" +
				`cluster.yml:8: *a is an alias, which is not supported: write the value out, or quote it if it is text`,
		},
		"tag": {
			"cluster:\n  name: !!str 7\n",
			`cluster.yml:7: !!str is a tag, which is not supported: leave it out`,
		},
		"second document": {
			"---\nlog:\n  level: info\n",
			`cluster.yml:6: a second document starts here: keep one, without --- between keys`,
		},
		"syntax": {
			"log: [\n",
			`cluster.yml:6: not YAML: did not find expected node content: look at indents, quotes and colons from here on`,
		},
		"control character": {
			"log:\n  level: \x00\n",
			`cluster.yml:7: not UTF-8 text, or a control character in it: save the file as UTF-8`,
		},
	} {
		t.Run(what, func(t *testing.T) { wantProblems(t, oneNode+tc.text, tc.want) })
	}
}

func TestStrictNodes(t *testing.T) {
	const second = oneNode + `  - id: n2
    http: 127.0.0.1:8001
    peer: 127.0.0.1:8011
    gossip: 127.0.0.1:8021
`
	replace := func(old, with string) string {
		if strings.Count(second, old) != 1 {
			t.Fatalf("%q is not once in the file", old)
		}
		return strings.Replace(second, old, with, 1)
	}
	for what, tc := range map[string]struct{ text, want string }{
		"nothing":       {"", `cluster.yml:1: nodes: no node: write at least one, with id, http, peer and gossip`},
		"comments only": {"# nodes:\n", `cluster.yml:1: nodes: no node: write at least one, with id, http, peer and gossip`},
		"no list":       {"log: {}\nnodes: {}\n", `cluster.yml:2: nodes: is a group of keys, not a list: start each entry with "- "`},
		"empty list":    {"log: {}\nnodes: []\n", `cluster.yml:2: nodes: no node: write at least one, with id, http, peer and gossip`},
		"no group":      {"nodes: [n1]\n", `cluster.yml:1: nodes[0]: is the text "n1", not a group of keys: write id: and its value under it`},
		"missing": {
			replace("    peer: 127.0.0.1:8011\n", ""),
			`cluster.yml:6: nodes[1].peer: missing: write where other nodes reach it, such as 127.0.0.1:8010`,
		},
		"ID twice":    {replace("id: n2", "id: n1"), `cluster.yml:6: nodes[1].id: n1 is already used by nodes[0].id (line 2): give each node an ID of its own`},
		"ID no name":  {replace("id: n2", "id: n/2"), `cluster.yml:6: nodes[1].id: is "n/2": write 1 to 64 of a-z A-Z 0-9 . _ -`},
		"ID a parent": {replace("id: n2", `id: ".."`), `cluster.yml:6: nodes[1].id: is "..", which is no name for a data directory: write one such as n1`},
		"listener of another node": {
			replace("8011", "8010"),
			`cluster.yml:8: nodes[1].peer: 127.0.0.1:8010 is already used by nodes[0].peer (line 4): give each listener its own port`,
		},
		"listener of another kind, by another name": {
			replace("127.0.0.1:8021", "localhost:8000"),
			`cluster.yml:9: nodes[1].gossip: localhost:8000 is already used by nodes[0].http (line 3): give each listener its own port`,
		},
		"no port":    {replace("127.0.0.1:8001", "127.0.0.1"), `cluster.yml:7: nodes[1].http: "127.0.0.1" is not host:port: write one such as 127.0.0.1:8010 or [::1]:8010`},
		"port 0":     {replace("8001", "0"), `cluster.yml:7: nodes[1].http: "0" is not a port: write a number from 1 to 65535`},
		"named port": {replace("8001", "http"), `cluster.yml:7: nodes[1].http: "http" is not a port: write a number from 1 to 65535`},
		"wildcard":   {replace("127.0.0.1:8001", "0.0.0.0:8001"), `cluster.yml:7: nodes[1].http: 0.0.0.0 stands for all addresses, but others dial this one: write the host's own`},
		"no host":    {replace("127.0.0.1:8001", "\":8001\""), `cluster.yml:7: nodes[1].http: "" is neither an IP address nor a host name: write one in front of the port`},
		"bad IP":     {replace("127.0.0.1:8001", "127.0.0.256:8001"), `cluster.yml:7: nodes[1].http: "127.0.0.256" is neither an IP address nor a host name: write one in front of the port`},
		"directory of another node": {
			strings.Replace(second, "http: 127.0.0.1:8000", "http: 127.0.0.1:8000\n    data: ./data/n2", 1),
			`cluster.yml:7: nodes[1].data: data/n2 is already used by nodes[0].data (line 4): give each node of a host its own directory`,
		},
	} {
		t.Run(what, func(t *testing.T) { wantProblems(t, tc.text, tc.want) })
	}
	mustParse(t, second)
	// On another host, the same port and directory are others.
	mustParse(t, strings.ReplaceAll(second, "127.0.0.1:80", "h.example:90")+"    data: /var/lib/headcount\n")
	mustParse(t, oneNode+"    data: /d\n  - {id: n2, http: \"h2:8000\", peer: \"h2:8010\", gossip: \"h2:8020\", data: /d}\n")
}

func wantProblems(t *testing.T, text, want string) {
	t.Helper()
	var lines []string
	for _, p := range problems(t, text) {
		lines = append(lines, p.Error())
	}
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestAllProblemsAtOnceByLine(t *testing.T) {
	found := problems(t, "log: {level: loud}\nraft: {heartbeat: 1s}\nwrite: {timeout: soon, lifetime_max: 1s}\nnodes: [{id: n1}]\n")
	var at []string
	for _, p := range found {
		at = append(at, fmt.Sprintf("%d %s", p.Line, p.Key))
	}
	want := "1 log.level, 2 raft.heartbeat, 3 write.timeout, 3 write.lifetime_max, 4 nodes[0].http, 4 nodes[0].peer, 4 nodes[0].gossip"
	if got := strings.Join(at, ", "); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestManyProblemsAreCounted(t *testing.T) {
	found := problems(t, oneNode+strings.Repeat("x: 1\n", 1000))
	last := found[len(found)-1].What
	if len(found) != 101 || last != "and 900 more problems from here on: fix those above first" {
		t.Errorf("%d problems, the last: %s", len(found), last)
	}
}

func TestHugeFileIsRefused(t *testing.T) {
	_, err := config.Parse("cluster.yml", []byte(oneNode+strings.Repeat("# padding\n", 200_000)))
	if err == nil || !strings.Contains(err.Error(), "larger than 1MiB") {
		t.Errorf("got %v", err)
	}
}

// FuzzParse wants no panic, a file, line and advice in every problem, and from
// every config that was accepted what the rules promise.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "---\n---\n", "nodes:", "- a", "{", "*", "&a [*a]", "? [a]\n: b", "\xff\xfea\x00", "a: !!binary x", "%TAG ! x\n---\n",
		oneNode, everyKey, oneNode + "log: &x {level: *x}\n", strings.Repeat("[", 2000), oneNode + "<<: {a: b}\n",
		oneNode + "tick: {schedule: \"0 0 30 2 *\", time_zone: Africa/Cairo}\n", "a: &a [1]\nb: &b [*a,*a]\nc: [*b,*b]\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, p := range problems(t, text) {
			if p.File != "cluster.yml" || p.Line < 1 || p.Line > strings.Count(text, "\n")+strings.Count(text, "\r")+2 ||
				p.What == "" || strings.ContainsAny(p.Error(), "\n\r") {
				t.Errorf("problem %q in line %d", p.Error(), p.Line)
			}
		}
		c, err := config.Parse("cluster.yml", []byte(text))
		if err != nil {
			return
		}
		if len(c.Nodes) == 0 || c.Cluster.Shards < 1 || c.Raft.LeaderLeaseTimeout > c.Raft.HeartbeatTimeout {
			t.Errorf("accepted %+v", c)
		}
		if _, err := c.Tick.Parsed(); err != nil {
			t.Errorf("accepted a tick that does not parse: %v", err)
		}
	})
}
