//go:build !linux

package local

import "syscall"

// tied keeps a terminal's Ctrl-C from a process, which is stopped in order.
func tied() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
