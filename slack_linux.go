package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// timerSlackNS is how much later than asked a node's timers may ring.
//
// It is for one thread of the Go runtime, its monitor, which asks to sleep 20 µs at a
// time as long as goroutines come and go in system calls (golang.org/issue/18236). On
// a virtual machine each of those wakings may cost as much again: at 10,000 writes/s
// that was a sixth of a node's processor time. Go's own timers are exact to a
// millisecond on Linux anyway, and a node has none that mind another one.
const timerSlackNS = 1_000_000

// slackenTimers starts this program anew, as the same process, with timerSlackNS: a
// thread has its slack from the one that made it, and the monitor is made before main
// runs. Where that cannot be, the program goes on as it is. A process that was given
// as much slack or more (by systemd's TimerSlackNSec=, say) keeps what it has.
//
// It is called before anything else runs, signal handlers too.
func slackenTimers() {
	if slack, err := timerSlack(); err != nil || slack >= timerSlackNS {
		return
	}
	path, err := os.Executable()
	if err != nil || unix.Prctl(unix.PR_SET_TIMERSLACK, timerSlackNS, 0, 0, 0) != nil {
		return
	}
	// A kernel that takes it and forgets it would have us start over and over.
	if slack, err := timerSlack(); err != nil || slack < timerSlackNS {
		return
	}
	_ = syscall.Exec(path, os.Args, os.Environ()) // returns only if it failed
}

// timerSlack returns the calling thread's slack in nanoseconds.
func timerSlack() (int, error) {
	return unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
}
