package pglocal

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// process is a running postmaster. One goroutine starts it and waits for it.
type process struct {
	pid    int
	handle *os.Process
	done   chan struct{} // closed once the process has been waited for
}

// startProcess starts cmd as the account. The kernel ties a child's "signal me
// when my parent dies" to the parent's *thread*: so the goroutine keeps its
// thread for as long as the child lives, or the child would get the signal when
// the Go runtime retires that thread.
func startProcess(cmd *exec.Cmd, a account, onOwnerDeath syscall.Signal) (*process, error) {
	cmd.SysProcAttr = a.attributes(onOwnerDeath)
	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		err := cmd.Start()
		if err == nil {
			p.pid, p.handle = cmd.Process.Pid, cmd.Process
		}
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
		}
	}()
	return p, <-started
}

// signal does nothing once the process has ended: os.Process sees to it that no
// stranger who got the same number since is hit.
func (p *process) signal(sig syscall.Signal) {
	_ = p.handle.Signal(sig)
}

// runAs runs cmd to its end as the account and returns what it said.
func runAs(cmd *exec.Cmd, a account) (said []byte, err error) {
	runtime.LockOSThread() // see startProcess
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = a.attributes(syscall.SIGKILL)
	return cmd.CombinedOutput()
}

// environment of the server programs: theirs alone, in one language. PGPORT,
// PGDATA and their like, set for somebody's clients, must not reach the server.
func environment(home string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC", "HOME=" + home}
}
