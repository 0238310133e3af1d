package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	emptyStartTimeout = 10 * time.Second
	emptyStopTimeout  = 3 * time.Second
)

// baseline is the processes that do nothing, one for each node of the cluster: so
// that both targets have as many processes and listeners.
type baseline struct {
	processes []*emptyProcess
}

type emptyProcess struct {
	command *exec.Cmd
	input   io.Closer // closing it ends the process
	address string
}

// startBaseline starts n processes. They end with the
// context at the latest.
func startBaseline(ctx context.Context, n int, o emptyOptions) (*baseline, error) {
	b := &baseline{}
	for range n {
		process, err := startEmpty(ctx, o)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("starting the empty handler: %w", err), b.stop())
		}
		b.processes = append(b.processes, process)
	}
	return b, nil
}

// addresses of the listeners, one for each process.
func (b *baseline) addresses() (list []string) {
	for _, p := range b.processes {
		list = append(list, p.address)
	}
	return list
}

// pids of the processes.
func (b *baseline) pids() (list []int) {
	for _, p := range b.processes {
		list = append(list, p.command.Process.Pid)
	}
	return list
}

// stop ends the processes and waits for them.
func (b *baseline) stop() error {
	var errs []error
	for _, p := range b.processes {
		p.input.Close()
	}
	for _, p := range b.processes {
		kill := time.AfterFunc(emptyStopTimeout, func() { _ = p.command.Process.Kill() })
		if err := p.command.Wait(); err != nil {
			errs = append(errs, fmt.Errorf("stopping the empty handler: %w", err))
		}
		kill.Stop()
	}
	return errors.Join(errs...)
}

// startEmpty starts this program anew as one empty handler.
func startEmpty(ctx context.Context, o emptyOptions) (*emptyProcess, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, program, append([]string{emptyCommand}, o.arguments()...)...)
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	// A process that never says its address is killed, which ends the read.
	late := time.AfterFunc(emptyStartTimeout, func() { _ = command.Process.Kill() })
	defer late.Stop()
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		input.Close()
		return nil, errors.Join(fmt.Errorf("reading its address: %w", err), command.Wait())
	}
	return &emptyProcess{command: command, input: input, address: strings.TrimSpace(line)}, nil
}
