package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// redisProgram finds redis-server; it returns "" where there is none.
func redisProgram() string {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return ""
	}
	return path
}

// redisServer is a Redis of our own, without persistence, on a free loopback port.
type redisServer struct {
	process   *exec.Cmd
	directory string
	address   string
}

// redisStartMax is how long a server may take until it accepts connections.
const redisStartMax = 10 * time.Second

func startRedis(ctx context.Context, directory string) (*redisServer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("finding a free port: %w", err)
	}
	address := listener.Addr().(*net.TCPAddr)
	listener.Close()
	directory, err = os.MkdirTemp(directory, "redis-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for Redis: %w", err)
	}
	s := &redisServer{directory: directory, address: address.String()}
	s.process = exec.CommandContext(ctx, redisProgram(),
		"--bind", "127.0.0.1", "--port", strconv.Itoa(address.Port), "--dir", directory,
		"--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "warning")
	s.process.SysProcAttr = diesWithParent()
	s.process.Stderr = os.Stderr // it greets on the standard output, which is the child's result
	if err := s.process.Start(); err != nil {
		os.RemoveAll(directory)
		return nil, fmt.Errorf("starting redis-server: %w", err)
	}
	return s, nil
}

// connect waits until the server accepts connections.
func (s *redisServer) connect(ctx context.Context) (*redisClient, error) {
	ctx, cancel := context.WithTimeout(ctx, redisStartMax)
	defer cancel()
	for {
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
		if err == nil {
			return newRedisClient(connection), nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for redis-server: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends this server, by its process.
func (s *redisServer) stop() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait() // it was killed, and says so
	os.RemoveAll(s.directory)
}
