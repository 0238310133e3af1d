package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// The slack of a thread's timers is how much later than asked they may ring, in
// nanoseconds.
const (
	timerSlack        = 1_000_000
	timerSlackDefault = 50_000 // Linux's
)

// startedAnew marks the process that slackenTimers has started anew.
const startedAnew = "HEADCOUNT_STARTED_ANEW"

// slackenTimers starts this program anew, as the same process, with timerSlack.
//
// That is for the Go runtime's monitor thread, which asks to sleep 20 µs at a time as long
// as goroutines come and go in system calls (golang.org/issue/18236). On a virtual machine
// each of its wakings may cost as much again: a fifth of a node's processor time. A thread
// has its slack from the one that made it, and the monitor is made before main runs. The
// other threads have it too. Go's timers wait in whole milliseconds on Linux anyway.
//
// A process whose slack is not Linux's own keeps what it was given (by systemd's
// TimerSlackNSec=, say), and so does one that cannot be started anew.
//
// It is called before anything else runs, signal handlers too, and in the process's first
// thread: that has what dev asks of the kernel, to end its nodes should it be killed.
func slackenTimers() {
	if os.Getenv(startedAnew) != "" {
		return
	}
	slack, err := getTimerSlack()
	if err != nil || slack != timerSlackDefault || unix.Prctl(unix.PR_SET_TIMERSLACK, timerSlack, 0, 0, 0) != nil {
		return
	}
	startAnew()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, timerSlackDefault, 0, 0, 0)
}

// startAnew returns only if it failed.
func startAnew() {
	path, err := os.Executable()
	if err != nil {
		return
	}
	var files syscall.Rlimit // Exec sets it to what the process had before Go raised it
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) != nil {
		return
	}
	_ = syscall.Exec(path, os.Args, append(os.Environ(), startedAnew+"=1"))
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files)
}

// getTimerSlack returns the calling thread's.
func getTimerSlack() (int, error) {
	return unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
}
