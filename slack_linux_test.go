package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const testedSlack = "HEADCOUNT_TEST_SLACK"

// TestMain is also the program that TestSlackenTimers runs.
func TestMain(m *testing.M) {
	if os.Getenv(testedSlack) == "" {
		os.Exit(m.Run())
	}
	fmt.Println("pid", os.Getpid())
	slackenTimers()
	slack, err := getTimerSlack()
	var death int32
	deathErr := unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&death)), 0, 0, 0)
	fmt.Println("slack", slack, err, "death", death, deathErr, os.Args[1:], os.Getenv(testedSlack))
}

func TestSlackenTimers(t *testing.T) {
	for _, test := range []struct {
		given, want, starts int
		env                 string
	}{
		{given: timerSlackDefault, want: timerSlack, starts: 2},
		{given: timerSlackDefault, want: timerSlackDefault, starts: 1, env: startedAnew + "=1"},
		{given: timerSlack, want: timerSlack, starts: 1},
		{given: timerSlackDefault / 2, want: timerSlackDefault / 2, starts: 1},
		{given: 5 * timerSlack, want: 5 * timerSlack, starts: 1},
	} {
		t.Run(fmt.Sprint(test.given, test.env), func(t *testing.T) {
			program := exec.Command(os.Args[0], "an argument")
			program.Env = append(os.Environ(), fmt.Sprintf("%s=%d", testedSlack, test.given), test.env)
			program.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
			out, err := outputWithSlack(program, test.given)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			pid := fmt.Sprint("pid ", program.Process.Pid)
			want := slices.Repeat([]string{pid}, test.starts)
			want = append(want, fmt.Sprintf("slack %d <nil> death %d <nil> [an argument] %d", test.want, syscall.SIGTERM, test.given))
			if got := strings.Split(strings.TrimSpace(out), "\n"); !slices.Equal(got, want) {
				t.Errorf("it printed %q, want %q", got, want)
			}
		})
	}
}

// outputWithSlack runs a program from a thread of that slack.
func outputWithSlack(program *exec.Cmd, slack int) (string, error) {
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
