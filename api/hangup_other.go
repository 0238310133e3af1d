//go:build !unix

package api

import "syscall"

// hungUp cannot tell here: the time-out of the work has to do.
func hungUp(syscall.Conn) bool { return false }
