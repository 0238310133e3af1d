package local

import "syscall"

// ownGroup keeps a terminal's Ctrl-C from dev, which is stopped in order, and has the
// kernel stop dev should this process be killed.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
