package cli

import "syscall"

// ownGroup keeps a terminal's Ctrl-C from a node, which dev stops in order, and has
// the kernel stop the node should dev be killed.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
