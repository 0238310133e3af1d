package pglocal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Options of [Start].
type Options struct {
	Dir    string       // the directory the server lives in; created if missing
	Port   int          // on 127.0.0.1; 0: the port of the last start if it is free, else any
	Logger *slog.Logger // nil: silence
}

// Server is a running private PostgreSQL.
type Server struct {
	process *process
	lock    *os.File
	url     string
	logger  *slog.Logger

	ending sync.Mutex // held by Stop and Kill: the second waits for the first
	freed  bool       // guarded by ending: the lock has been given back
}

// Start runs a server on the directory, creating the database first where there
// is none, and returns once it accepts connections. ctx bounds the start, not the
// server's life. The caller ends the server with [Server.Stop] or [Server.Kill].
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Dir == "" {
		return nil, errors.New("start PostgreSQL: no directory given")
	}
	if o.Port < 0 || o.Port > 65535 {
		return nil, fmt.Errorf("start PostgreSQL: port %d is not between 0 and 65535", o.Port)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	s, err := start(ctx, dir, o.Port, o.Logger)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL in %s: %w", dir, err)
	}
	return s, nil
}

func start(ctx context.Context, dir string, port int, logger *slog.Logger) (*Server, error) {
	binDir, ok := Find()
	if !ok {
		return nil, ErrNoPrograms
	}
	a, err := chooseAccount(home(dir).data())
	if err != nil {
		return nil, err
	}
	if err := a.canRun(binDir); err != nil {
		return nil, err
	}
	h, fresh, err := settle(dir, binDir, a, logger)
	if err != nil {
		return nil, err
	}
	lock, err := h.acquire()
	if err != nil {
		return nil, err
	}
	s := &Server{lock: lock, logger: logger}
	if err := s.run(ctx, h, home(dir), fresh, a, port); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return s, nil
}

// run does what needs the lock.
func (s *Server) run(ctx context.Context, h, asked home, fresh bool, a account, port int) error {
	if err := stopLeftBehind(ctx, h.data(), s.logger); err != nil {
		return err
	}
	if fresh {
		if err := h.renew(asked); err != nil {
			return err
		}
	}
	binDir, err := programsFor(h.data())
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := create(ctx, h, binDir, a); err != nil {
		return err
	}
	password, err := h.readPassword()
	if err != nil {
		return err
	}
	s.process, port, err = launchOn(ctx, h, binDir, a, port)
	if err != nil {
		return err
	}
	s.url = (&url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		Path:     database,
		RawQuery: "sslmode=disable",
	}).String()
	// Only a convenience: without it the next start takes another port.
	if err := os.WriteFile(h.port(), []byte(strconv.Itoa(port)+"\n"), 0o600); err != nil {
		s.logger.Warn("PostgreSQL's port is not remembered", "error", err)
	}
	s.logger.Info("PostgreSQL started", "port", port, "pid", s.process.pid, "dir", string(h), "took", time.Since(begun).Round(time.Millisecond))
	return nil
}

// URL is where clients connect, password included: do not log it.
func (s *Server) URL() string { return s.url }

// Pid is the process number of the postmaster.
func (s *Server) Pid() int { return s.process.pid }

// Done is closed when the server has ended, by Stop, Kill or by itself.
func (s *Server) Done() <-chan struct{} { return s.process.done }

// Stop shuts the server down in order (open transactions roll back, a checkpoint
// is written) and waits until it has ended: at most about 70 s, with harder means
// towards the end, normally well under one. Then the directory may be used again.
// On an ended server it only gives the directory back. It may be called twice.
func (s *Server) Stop() {
	s.end(syscall.SIGINT)
}

// Kill ends the postmaster with SIGKILL, as a crash would, and waits for it. Its
// backends notice and end on their own; the next Start waits for them. Committed
// data survives. For tests.
func (s *Server) Kill() {
	s.end(syscall.SIGKILL)
}

func (s *Server) end(first syscall.Signal) {
	s.ending.Lock()
	defer s.ending.Unlock()
	s.process.signal(first)
	if !s.endsWithin(fastShutdownMax) {
		s.logger.Warn("PostgreSQL does not shut down; stopping it at once", "pid", s.process.pid)
		s.process.signal(syscall.SIGQUIT)
	}
	if !s.endsWithin(immediateShutdownMax) {
		s.process.signal(syscall.SIGKILL)
		<-s.process.done
	}
	if !s.freed {
		s.freed = true
		_ = s.lock.Close()
	}
}

func (s *Server) endsWithin(limit time.Duration) bool {
	select {
	case <-s.process.done:
		return true
	case <-time.After(limit):
		return false
	}
}
