package systemtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dev is a run of `headcount dev`: a process that runs three more.
type dev struct {
	t      testing.TB
	port   int
	stdout string // path; of this run alone
	*process
}

// startDev runs dev on a data directory and waits for its ready line.
func startDev(t testing.TB, port int, dir, run string) *dev {
	t.Helper()
	d := &dev{t: t, port: port, stdout: filepath.Join(dir, run+".out")}
	stderr := filepath.Join(dir, run+".err")
	d.process = startProcess(t, "dev", d.stdout, stderr,
		"dev", "--port", strconv.Itoa(port), "--data", filepath.Join(dir, "data"))
	t.Cleanup(func() {
		d.end()
		d.kill()
		reportLog(t, "dev", stderr)
		if t.Failed() {
			t.Logf("what dev printed:\n%s", lastLines([]byte(d.printed()), 60))
		}
	})
	eventually(t, postgresStartMax, "dev printing ready", func() error {
		if !d.running() {
			t.Fatalf("dev ended before it was ready: %v", d.err)
		}
		if !regexp.MustCompile(`(?m)^ready`).MatchString(d.printed()) {
			return fmt.Errorf("it printed %q so far", d.printed())
		}
		return nil
	})
	return d
}

// end interrupts dev, and kills what it may have left.
func (d *dev) end() {
	if d.running() {
		if err := d.stop(syscall.SIGINT, scaled(30*time.Second)); err != nil {
			d.t.Error(err)
		}
	}
	for _, pid := range d.pids() {
		if isHeadcount(pid) {
			d.t.Errorf("dev left the process of a node behind: pid %d", pid)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func (d *dev) printed() string {
	text, err := os.ReadFile(d.stdout)
	if err != nil {
		d.t.Errorf("reading what dev printed: %v", err)
	}
	return string(text)
}

// base is the URL of the i-th node, from 0.
func (d *dev) base(i int) string { return "http://" + loopback(d.port+i) }

var nodeLine = regexp.MustCompile(`(?m)^node (n\d) pid (\d+) (http://\S+)`)

// pid returns the newest process of a node. Nodes start side by side: their lines
// come in any order.
func (d *dev) pid(id string) int {
	d.t.Helper()
	newest := 0
	for _, line := range nodeLine.FindAllStringSubmatch(d.printed(), -1) {
		if line[1] == id {
			newest, _ = strconv.Atoi(line[2]) // digits, by the pattern
		}
	}
	if newest == 0 {
		d.t.Fatalf("dev printed no line of node %s", id)
	}
	return newest
}

// pids returns the process of every node line so far, oldest first.
func (d *dev) pids() []int {
	var pids []int
	for _, line := range nodeLine.FindAllStringSubmatch(d.printed(), -1) {
		pid, err := strconv.Atoi(line[2])
		if err != nil {
			d.t.Fatalf("node line %q: %v", line[0], err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// isHeadcount says whether a pid is a live process of the command under test.
func isHeadcount(pid int) bool {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && path == headcountPath
}

// database returns the URL that dev printed for its private PostgreSQL.
func (d *dev) database() string {
	d.t.Helper()
	line := regexp.MustCompile(`(?m)^postgres (postgres(?:ql)?://\S+)`).FindStringSubmatch(d.printed())
	if line == nil {
		d.t.Fatalf("dev printed no line with PostgreSQL's URL:\n%s", d.printed())
	}
	return line[1]
}

// The README's first minute, and what may happen in it.
func TestReadmeExample(t *testing.T) {
	dir, port := postgresDir(t), freePorts(t, 40)
	d := startDev(t, port, dir, "first")
	wantNodeLines(t, d)

	expiry := time.Now().Add(24 * time.Hour).Unix()
	example := record{membership{"fsas42aa3af", "1aa1x"}, expiry}
	for range 2 { // the second changes nothing
		mustWrite(t, &node{id: "n1", base: d.base(0)}, example)
		for i := range 3 {
			eventually(t, time.Second, "the example's count on "+d.base(i), func() error { return hasExample(d, i) })
		}
	}
	want := model{}
	want.write(example)
	database := d.database()
	waitTable(t, database, want)

	killed := d.pid("n2")
	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
		t.Fatalf("killing n2, pid %d: %v", killed, err)
	}
	eventually(t, 30*time.Second, "dev starting n2 again", func() error {
		if pid := d.pid("n2"); pid == killed || !isHeadcount(pid) {
			return fmt.Errorf("its process is %d, and %d was killed", pid, killed)
		}
		return hasExample(d, 1)
	})
	if pids := d.pids(); len(pids) != 4 {
		t.Errorf("dev started the processes %v, want three and one", pids)
	}

	postgres := postmaster(t, filepath.Join(dir, "data", "postgres"))
	if err := syscall.Kill(postgres, syscall.SIGKILL); err != nil {
		t.Fatalf("killing PostgreSQL, pid %d: %v", postgres, err)
	}
	meanwhile := record{membership{"another", "1aa1x"}, expiry}
	mustWrite(t, &node{id: "n1", base: d.base(0)}, meanwhile)
	want.write(meanwhile)
	waitTable(t, database, want)
	gone := request{method: "DELETE", url: d.base(0) + "/users/another"}
	if got, err := send(context.Background(), gone); err != nil || got.status != 200 {
		t.Fatalf("erasing a user: %v, %v", got, err)
	}
	delete(want, meanwhile.membership)

	d.end()
	if !isClosed(d.base(0)) || !isClosed(d.base(1)) || !isClosed(d.base(2)) {
		t.Error("a port still answers after dev was interrupted")
	}
	if _, err := readTable(context.Background(), database); err == nil {
		t.Error("the private PostgreSQL still runs after dev was interrupted")
	}

	d = startDev(t, port, dir, "second")
	for i := range 3 {
		eventually(t, 5*time.Second, "the example's count after a restart", func() error { return hasExample(d, i) })
	}
	waitTable(t, d.database(), want)
}

// postmaster returns the process of the private PostgreSQL.
func postmaster(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func wantNodeLines(t *testing.T, d *dev) {
	t.Helper()
	lines := nodeLine.FindAllStringSubmatch(d.printed(), -1)
	if len(lines) != 3 {
		t.Fatalf("dev printed %d node lines, want 3:\n%s", len(lines), d.printed())
	}
	for _, line := range lines {
		if i := int(line[1][1] - '1'); i > 2 || line[3] != d.base(i) {
			t.Errorf("%q: this node is not at its port", line[0])
		}
		if pid, _ := strconv.Atoi(line[2]); !isHeadcount(pid) {
			t.Errorf("%q: this process is not the command", line[0])
		}
	}
}

func hasExample(d *dev, i int) error {
	got, err := send(context.Background(), request{method: "GET", url: d.base(i) + "/segments/count"})
	if err != nil {
		return err
	}
	if want := `[{"title":"1aa1x","usersCount":1}]`; strings.TrimSpace(string(got.body)) != want {
		return fmt.Errorf("it answers %v, want %s", got, want)
	}
	return nil
}

func waitTable(t *testing.T, database string, want model) {
	t.Helper()
	eventually(t, 30*time.Second, "the users table", func() error {
		got, err := readTable(context.Background(), database)
		if err != nil {
			return err
		}
		return sameMap(got, want)
	})
}

func isClosed(base string) bool {
	_, err := send(context.Background(), request{method: "GET", url: base + "/healthz"})
	return err != nil && neverSent(err)
}

// dev without PostgreSQL says so, and how to change that, in one line.
func TestDevWithoutPostgres(t *testing.T) {
	dir, port := t.TempDir(), freePorts(t, 40)
	out := filepath.Join(dir, "out")
	p := startProcess(t, "dev", out, out, "dev", "--port", strconv.Itoa(port), "--data", filepath.Join(dir, "data"), "--postgres", "none")
	t.Cleanup(func() { p.kill(); reportLog(t, "dev", out) })
	eventually(t, 40*time.Second, "dev printing ready", func() error {
		text, err := os.ReadFile(out)
		if err != nil {
			return err
		}
		if !regexp.MustCompile(`(?m)^ready`).Match(text) {
			return errors.New("not yet")
		}
		return nil
	})
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?mi)^.*(postgres).*(not copied|nowhere|not kept).*$|^.*(not copied|nowhere).*postgres.*$`).Match(text) {
		t.Errorf("dev does not say that users are not copied to PostgreSQL:\n%s", text)
	}
	if err := p.stop(syscall.SIGINT, scaled(30*time.Second)); err != nil {
		t.Error(err)
	}
}
