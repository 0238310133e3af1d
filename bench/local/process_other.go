//go:build !linux

package local

import "syscall"

// ownGroup keeps a terminal's Ctrl-C from dev, which is stopped in order.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
