package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"headcount/pglocal"
)

// supervise keeps one node's process running until ctx ends, then stops it. A node
// that dies unasked is started again. The error is nil unless it could not be
// started.
func (d *devCluster) supervise(ctx context.Context, i int) error {
	// The kernel ends a node whose parent thread ends, so that no node outlives dev:
	// this goroutine keeps its thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	id := fmt.Sprintf("n%d", i+1)
	for {
		node, log, err := d.start(id)
		if err != nil {
			return fmt.Errorf("starting node %s: %w", id, err)
		}
		d.out.printf("node %s pid %d %s", id, node.Process.Pid, d.url(i))
		ended := make(chan error, 1) // so that Wait's answer finds room
		go func() { ended <- node.Wait() }()
		select {
		case err := <-ended:
			_ = log.Close() // the process had it; nothing of ours is in it
			d.out.printf("node %s ended (%s): it starts again in %v, see %s", id, how(err), restartAfter, log.Name())
		case <-ctx.Done():
			stop(node, ended)
			return log.Close()
		}
		select {
		case <-time.After(restartAfter):
		case <-ctx.Done():
			return nil
		}
	}
}

// keepPostgres starts the private PostgreSQL again when it dies unasked. stop ends it.
func (d *devCluster) keepPostgres(server *pglocal.Server, o pglocal.Options) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var keeping sync.WaitGroup
	keeping.Go(func() {
		defer func() { server.Stop() }()
		for {
			select {
			case <-server.Done():
			case <-ctx.Done():
				return
			}
			d.out.printf("postgres: it does not run, and starts again in %v, see %s", restartAfter, o.Dir)
			server.Stop() // gives the directory back
			select {
			case <-time.After(restartAfter):
			case <-ctx.Done():
				return
			}
			again, err := pglocal.Start(ctx, o)
			if err != nil {
				if ctx.Err() == nil {
					d.out.printf("postgres: %v", err)
				}
				continue
			}
			server = again
			d.out.printf("postgres pid %d", server.Pid())
			if server.URL() != d.postgres {
				d.out.printf("postgres: it is a new one, with another password: start this command again")
			}
		}
	})
	return func() {
		cancel()
		keeping.Wait()
	}
}

func how(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// start runs headcount serve as a process. Its log goes to a file.
func (d *devCluster) start(id string) (*exec.Cmd, *os.File, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	dir := filepath.Join(d.dir, id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, "node.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, err
	}
	node := exec.Command(program, "serve", "--config", d.configPath(), "--node", id)
	// The URL has a password in it: it goes through the environment, not a file.
	node.Env = append(os.Environ(), postgresURLVariable+"="+d.postgres)
	node.Stdout, node.Stderr = log, log
	node.SysProcAttr = ownGroup()
	if err := node.Start(); err != nil {
		return nil, nil, errors.Join(err, log.Close())
	}
	return node, log, nil
}

// stop asks a node to end, and makes it if it does not.
func stop(node *exec.Cmd, ended <-chan error) {
	// An error means that it has ended already.
	_ = node.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(stopTimeout):
		_ = node.Process.Kill()
		<-ended
	}
}
