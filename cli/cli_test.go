package cli

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWrongCallsSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "cluster.yml")
	if err := os.WriteFile(file, []byte("nodes:\n  - {id: n1, http: \"127.0.0.1:1\", peer: \"127.0.0.1:2\", gossip: \"127.0.0.1:3\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(postgresURLVariable, "")
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"help", exitOK, "usage: headcount"},
		{"version", exitOK, "headcount"},
		{"fly", exitUsage, `no command "fly"`},
		{"serve --config " + file + " --node n9", exitUsage, "it has n1"},
		{"serve --config " + file + ".not --node n1", exitFailed, "no such file"},
		{"serve n1", exitUsage, `unexpected "n1"`},
		{"migrate sideways", exitUsage, "migrate up, or migrate down"},
		{"migrate up", exitUsage, postgresURLVariable},
		{"dev --port 65530", exitUsage, "give one from 1 to"},
		{"healthcheck --url http://127.0.0.1:1/readyz", exitFailed, "refused"},
	} {
		var out bytes.Buffer
		status := Main(t.Context(), strings.Fields(c.args), &out, &out)
		if status != c.status || !strings.Contains(out.String(), c.says) {
			t.Errorf("headcount %s: status %d, %q; want %d and %q", c.args, status, out.String(), c.status, c.says)
		}
	}
}

func TestDevRefusesAPortThatIsTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	var out bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if status := Main(ctx, []string{"dev", "--port", port, "--data", t.TempDir(), "--postgres", "none"}, &out, &out); status == exitOK || !strings.Contains(out.String(), "--port moves all ports") {
		t.Errorf("status %d: %s", status, out.String())
	}
}
