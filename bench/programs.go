package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"headcount/bench/local"
)

const (
	peerStartTimeout = 30 * time.Second
	peerStopTimeout  = 10 * time.Second
	peerLookEvery    = 50 * time.Millisecond
	peerSaidMax      = 2000 // bytes of what a program printed, to be told with an error
)

// startPrograms starts a peer of one process for each command line. What they print goes
// to files in the directory.
func startPrograms(dir string, commands ...[]string) (*site, error) {
	var running []*local.Process
	var logs []string
	s := &site{stop: func() error {
		var errs []error
		for _, p := range running {
			errs = append(errs, p.Stop(peerStopTimeout))
		}
		return errors.Join(errs...)
	}}
	for i, words := range commands {
		name := filepath.Join(dir, fmt.Sprintf("%s-%d.log", words[0], i))
		file, err := os.Create(name)
		if err != nil {
			return nil, errors.Join(err, s.stop())
		}
		command := exec.Command(words[0], words[1:]...)
		command.Stdout, command.Stderr = file, file
		p, err := local.StartProcess(command)
		file.Close() // the process has it too
		if err != nil {
			return nil, errors.Join(err, s.stop())
		}
		running, logs, s.pids = append(running, p), append(logs, name), append(s.pids, p.Pid())
	}
	s.ended = func() error {
		for i, p := range running {
			select {
			case <-p.Ended():
				said, _ := os.ReadFile(logs[i]) // it is told without, then
				return fmt.Errorf("%s ended:\n%s", commands[i][0], said[max(0, len(said)-peerSaidMax):])
			default:
			}
		}
		return nil
	}
	return s, nil
}

// await returns when the peer has acknowledged a write. When it does not, it is stopped.
func (s *site) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, peerStartTimeout)
	defer cancel()
	for {
		err := s.try(ctx)
		if err == nil {
			return nil
		}
		if ended := s.ended(); ended != nil {
			return errors.Join(ended, s.stop())
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("it acknowledged nothing within %s: %w", peerStartTimeout, err), s.stop())
		case <-time.After(peerLookEvery):
		}
	}
}

// try sends one write.
func (s *site) try(ctx context.Context) error {
	o := options{segments: 1, users: 1}
	sender, err := s.open(ctx, 0, o)
	if err != nil {
		return err
	}
	defer sender.close()
	t, d := newTally(false), newDraw(0, 0, newZipf(o.segments), o.users)
	sender.send(&d, time.Now(), t)
	for _, trouble := range t.trouble {
		return errors.New(trouble.Example)
	}
	return nil
}

// freePort is one that nobody listens on.
func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), nil
}
