package pglocal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	launchMax   = 2 * time.Minute // one launch, crash recovery included
	portTries   = 5               // ports tried when none was asked for
	logBytesMax = 8 << 20         // then postgres.log becomes postgres.log.1
)

var (
	errPortTaken = errors.New("the port is taken")
	// errDying: the backends of a killed postmaster have not all noticed yet.
	errDying = errors.New("the previous PostgreSQL is still dying")
)

// launchOn tries ports until the server runs: the one asked for, or else the one
// of last time and then whichever is free.
func launchOn(ctx context.Context, h home, binDir string, a account, asked int) (*process, int, error) {
	port := asked
	if port == 0 {
		port = h.lastPort()
	}
	for try := 1; ; try++ {
		if port == 0 {
			free, err := freePort()
			if err != nil {
				return nil, 0, err
			}
			port = free
		}
		p, err := launchPatiently(ctx, h, binDir, a, port)
		if errors.Is(err, errPortTaken) && asked == 0 && try < portTries {
			port = 0
			continue
		}
		if err != nil {
			return nil, 0, fmt.Errorf("start PostgreSQL on port %d: %w", port, err)
		}
		return p, port, nil
	}
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// launchPatiently waits for the backends of a killed server to end.
func launchPatiently(ctx context.Context, h home, binDir string, a account, port int) (*process, error) {
	deadline := time.Now().Add(immediateShutdownMax)
	for {
		p, err := launch(ctx, h, binDir, a, port)
		if !errors.Is(err, errDying) || time.Now().After(deadline) {
			return p, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(5 * pollInterval):
		}
	}
}

// launch starts the server and returns once it accepts connections.
func launch(ctx context.Context, h home, binDir string, a account, port int) (*process, error) {
	log, begin, err := openLog(h, a)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(filepath.Join(binDir, "postgres"), settings(h, port)...)
	cmd.Dir = string(h)
	cmd.Env = environment(string(h))
	cmd.Stdout, cmd.Stderr = log, log
	p, err := startProcess(cmd, a, syscall.SIGINT)
	if err != nil {
		return nil, err
	}
	ended := func() bool {
		select {
		case <-p.done:
			return true
		default:
			return false
		}
	}
	ready := func() bool {
		f, ok := readPostmasterFile(h.data())
		return ok && f.pid == p.pid && f.ready
	}
	_, err = pollUntil(ctx, launchMax, func() bool { return ended() || ready() })
	switch {
	case ended():
		return nil, whyEnded(h, begin)
	case err == nil && ready():
		return p, nil
	case err == nil:
		err = fmt.Errorf("not ready after %s: %w", launchMax, whyEnded(h, begin))
	}
	p.signal(syscall.SIGQUIT)
	<-p.done
	return nil, err
}

// settings: nothing but loopback, everything durable, and memory for the index of a
// few million memberships, taken as it is touched. They are on the command line so
// that a new version of this program brings its own.
func settings(h home, port int) []string {
	args := []string{"-D", h.data()}
	for _, setting := range []string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(port),
		"unix_socket_directories=",
		"password_encryption=scram-sha-256",
		"max_connections=100",
		"fsync=on",
		"full_page_writes=on",
		"synchronous_commit=on",
		"shared_buffers=128MB",
		"max_wal_size=512MB",
		"max_parallel_workers_per_gather=0",
		"jit=off",
		"logging_collector=off",
		"log_checkpoints=off",
		"timezone=UTC",
		"log_timezone=UTC",
	} {
		args = append(args, "-c", setting)
	}
	return args
}

// openLog returns the server's log and where the coming run begins in it.
func openLog(h home, a account) (log *os.File, begin int64, err error) {
	if info, err := os.Stat(h.log()); err == nil && info.Size() > logBytesMax {
		if err := os.Rename(h.log(), h.log()+".1"); err != nil {
			return nil, 0, fmt.Errorf("set the old log aside: %w", err)
		}
	}
	log, err = os.OpenFile(h.log(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open the server's log: %w", err)
	}
	info, err := log.Stat()
	if err == nil {
		err = a.own(h.log())
	}
	if err != nil {
		_ = log.Close()
		return nil, 0, fmt.Errorf("prepare the server's log: %w", err)
	}
	return log, info.Size(), nil
}

// whyEnded reads the reason from the server's own words since begin.
func whyEnded(h home, begin int64) error {
	text, err := os.ReadFile(h.log())
	if err != nil {
		return fmt.Errorf("it ended, and its log cannot be read: %w", err)
	}
	said := bytes.TrimSpace(text[min(begin, int64(len(text))):])
	switch {
	case bytes.Contains(said, []byte("Address already in use")):
		return fmt.Errorf("%w: %s", errPortTaken, lastWords(said))
	case bytes.Contains(said, []byte("pre-existing shared memory block")):
		return fmt.Errorf("%w: %s", errDying, lastWords(said))
	}
	return fmt.Errorf("it said: %s", lastWords(said))
}
