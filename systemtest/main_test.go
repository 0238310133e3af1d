package systemtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// headcountPath is the command under test, built once by TestMain.
var headcountPath string

// raceBuild says that the command was built with the race detector.
var raceBuild = os.Getenv("HEADCOUNT_RACE") == "1"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "headcount-systemtest-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "making a directory for the command:", err)
		return 1
	}
	defer os.RemoveAll(dir)

	headcountPath = filepath.Join(dir, "headcount")
	args := []string{"build", "-o", headcountPath}
	if raceBuild {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, ".")...)
	build.Dir = ".."
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building headcount: %v\n%s", err, output)
		return 1
	}
	defer stopSharedPostgres()
	return m.Run()
}

// writesPerLoad is how many acknowledged writes a load with a fault must reach.
func writesPerLoad(t testing.TB) int {
	const name = "HEADCOUNT_SYSTEMTEST_WRITES"
	given := os.Getenv(name)
	if given == "" {
		return 50_000
	}
	writes, err := strconv.Atoi(given)
	if err != nil || writes < 1000 {
		t.Fatalf("%s=%q: want a number from 1000 up", name, given)
	}
	return writes
}

// scaled lengthens a deadline for the race detector's slower processes.
func scaled(d time.Duration) time.Duration {
	if raceBuild {
		return 4 * d
	}
	return d
}

// eventually asks until check returns nil, and fails the test with the last
// error when that took longer than the limit.
func eventually(t testing.TB, limit time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(scaled(limit))
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %v", what, scaled(limit), err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
