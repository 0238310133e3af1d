package local

import "syscall"

// tied keeps a terminal's Ctrl-C from a process, which is stopped in order, and has the
// kernel stop it should this process be killed.
func tied() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
