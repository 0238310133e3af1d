package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const slackVariable = "HEADCOUNT_TEST_SLACK_NS"

// TestMain is also the program that TestSlackenTimers runs.
func TestMain(m *testing.M) {
	given := os.Getenv(slackVariable)
	if given == "" {
		os.Exit(m.Run())
	}
	fmt.Println("pid", os.Getpid())
	slackenTimers()
	runtime.LockOSThread()
	slack, err := timerSlack()
	fmt.Println("slack", slack, err, os.Args[1:], os.Getenv(slackVariable))
}

func TestSlackenTimers(t *testing.T) {
	for _, test := range []struct{ given, want, starts int }{
		{50_000, timerSlackNS, 2},
		{timerSlackNS, timerSlackNS, 1},
		{5 * timerSlackNS, 5 * timerSlackNS, 1},
	} {
		t.Run(fmt.Sprint(test.given), func(t *testing.T) {
			program := exec.Command(os.Args[0], "an argument")
			program.Env = append(os.Environ(), fmt.Sprintf("%s=%d", slackVariable, test.given))
			out, err := startWithSlack(program, test.given)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			pid := fmt.Sprint("pid ", program.Process.Pid)
			want := slices.Repeat([]string{pid}, test.starts)
			want = append(want, fmt.Sprintf("slack %d <nil> [an argument] %d", test.want, test.given))
			if got := strings.Split(strings.TrimSpace(out), "\n"); !slices.Equal(got, want) {
				t.Errorf("it printed %q, want %q", got, want)
			}
		})
	}
}

// startWithSlack runs a program from a thread of that slack.
func startWithSlack(program *exec.Cmd, slack int) (string, error) {
	type result struct {
		out []byte
		err error
	}
	ended := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0); err != nil {
			ended <- result{err: err}
			return
		}
		out, err := program.CombinedOutput()
		ended <- result{out, err}
	}()
	r := <-ended
	return string(r.out), r.err
}
