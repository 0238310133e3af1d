package local

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Process is one that ends with this one, whatever ends it. Its methods may be called
// from any goroutine.
type Process struct {
	command *exec.Cmd
	ended   chan struct{} // closed once it has been waited for
}

// StartProcess starts the command. Where its output is no file, the process counts as
// ended only when that has taken all of it.
func StartProcess(command *exec.Cmd) (*Process, error) {
	command.SysProcAttr = tied()
	p := &Process{command: command, ended: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel ends the process when the thread that started it ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.ended)
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait() // what it printed says more than its exit status
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", filepath.Base(command.Path), err)
	}
	return p, nil
}

// Pid is the process's number.
func (p *Process) Pid() int { return p.command.Process.Pid }

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Stop ends the process with SIGTERM, or with SIGKILL if it has not ended in so long,
// and waits for it.
func (p *Process) Stop(patience time.Duration) error {
	err := p.command.Process.Signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	select {
	case <-p.ended:
		return err
	case <-time.After(patience):
	}
	_ = p.command.Process.Kill()
	<-p.ended
	return fmt.Errorf("%s (pid %d) did not end within %s, and was killed", filepath.Base(p.command.Path), p.Pid(), patience)
}
