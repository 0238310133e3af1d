//go:build !linux

package cli

import "syscall"

// ownGroup keeps a terminal's Ctrl-C from a node, which dev stops in order.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
