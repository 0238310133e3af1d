//go:build !linux

package pglocal

import (
	"os/exec"
	"strconv"
	"syscall"
)

// dieWithOwner has no counterpart here: the next Start stops what was left behind.
func dieWithOwner(*syscall.SysProcAttr, syscall.Signal) {}

// commandOf returns the command line of a live process, or "".
func commandOf(pid int) string {
	line, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return string(line)
}
