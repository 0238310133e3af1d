package pglocal

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// dieWithOwner asks the kernel to send sig to the child when we die, whatever
// kills us.
func dieWithOwner(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }

// commandOf returns the command line of a live process, or "".
func commandOf(pid int) string {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return string(bytes.ReplaceAll(line, []byte{0}, []byte{' '}))
}
