package systemtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is one run of the command, started by a test and ended by it.
type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed once the process is gone and waited for
	err  error         // what Wait returned; read after done
}

// startProcess starts headcount with both outputs appended to the named files.
// The caller sees to it that the process ends with the test.
func startProcess(t testing.TB, name, stdoutPath, stderrPath string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(headcountPath, args...)
	cmd.Stdout = appendTo(t, stdoutPath)
	cmd.Stderr = appendTo(t, stderrPath)
	cmd.Env = append(environWithoutSettings(), "GORACE=halt_on_error=0")
	// A test process that is killed takes its nodes along.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	p := &process{name: name, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		cmd.Stdout.(*os.File).Close()
		cmd.Stderr.(*os.File).Close()
		close(p.done)
	}()
	return p
}

// environWithoutSettings keeps the tester's own HEADCOUNT_ variables, such as a
// database URL, away from the processes under test.
func environWithoutSettings() []string {
	var kept []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "HEADCOUNT_") {
			kept = append(kept, pair)
		}
	}
	return kept
}

func appendTo(t testing.TB, path string) *os.File {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatalf("opening %s: %v", path, err)
	}
	return file
}

// signal does nothing to a process that is gone already.
func (p *process) signal(sig syscall.Signal) {
	_ = p.cmd.Process.Signal(sig)
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// kill ends the process at once and returns when it is gone.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// stop asks the process to end and reports anything but a clean exit.
func (p *process) stop(sig syscall.Signal, limit time.Duration) error {
	if !p.running() {
		return fmt.Errorf("%s had ended before it was asked to: %v", p.name, p.err)
	}
	p.signal(sig)
	select {
	case <-p.done:
	case <-time.After(limit):
		// The stacks of a process that hangs are worth more than its exit code.
		p.signal(syscall.SIGQUIT)
		select {
		case <-p.done:
		case <-time.After(5 * time.Second):
			p.kill()
		}
		return fmt.Errorf("%s did not end within %v of %v", p.name, limit, sig)
	}
	if p.err != nil {
		return fmt.Errorf("%s ended after %v with %w, want exit code 0", p.name, sig, p.err)
	}
	return nil
}

// complaint returns what no run may log, and the lines after it; nil if there is
// none.
func complaint(log []byte) error {
	const linesShown = 120 // a data race has three stacks
	lines := strings.Split(string(log), "\n")
	for i, line := range lines {
		for _, word := range []string{"panic", "DATA RACE", "fatal error:"} {
			if strings.Contains(line, word) {
				return fmt.Errorf("it logged:\n%s", strings.Join(lines[i:min(i+linesShown, len(lines))], "\n"))
			}
		}
	}
	return nil
}

// lastLines returns at most n lines from the end of a text.
func lastLines(text []byte, n int) string {
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// reportLog checks a log file for what no run may write and, when the test has
// failed, prints its end.
func reportLog(t testing.TB, name, path string) {
	log, err := os.ReadFile(path)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("reading the log of %s: %v", name, err)
		}
		return
	}
	if err := complaint(log); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if t.Failed() {
		t.Logf("the end of %s's log:\n%s", name, lastLines(log, 60))
	}
}
