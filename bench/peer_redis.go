package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"time"
)

// programMissing looks for a program in PATH.
func programMissing(program, debian string) func() string {
	return func() string {
		if _, err := exec.LookPath(program); err != nil {
			return program + " (package " + debian + ")"
		}
		return ""
	}
}

// redisPeer is one process, with a sorted set for each segment: ZADD GT, since a
// membership's expiry only moves ahead.
func redisPeer(name, durability string, flags ...string) peer {
	return peer{
		name: name, durability: durability, copies: 1,
		missing: programMissing("redis-server", "redis-server"),
		start: func(ctx context.Context, _ compareOptions, dir string) (*site, error) {
			port, err := freePort()
			if err != nil {
				return nil, err
			}
			s, err := startPrograms(dir, append([]string{
				"redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--loglevel", "warning",
			}, flags...))
			if err != nil {
				return nil, err
			}
			address := net.JoinHostPort("127.0.0.1", port)
			s.open = func(ctx context.Context, _ int, o options) (sender, error) { return openRedis(ctx, address, o) }
			return s, s.await(ctx)
		},
	}
}

// redisSender speaks as much of Redis's protocol (RESP2) as a pipeline of ZADDs needs.
type redisSender struct {
	conn    net.Conn
	in      *bufio.Reader
	payload *payload
}

func openRedis(ctx context.Context, address string, o options) (sender, error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		conn.Close()
		return nil, err
	}
	return &redisSender{conn: conn, in: bufio.NewReaderSize(conn, headerLineMax), payload: newRedisPayload(o)}, nil
}

// newRedisPayload builds a pipeline of ZADD segment GT expiry user.
func newRedisPayload(o options) *payload {
	return newRecords(o, func(user, segment, expiry string) string {
		words := []string{"ZADD", "s" + segment, "GT", expiry, "u" + user}
		text := fmt.Sprintf("*%d\r\n", len(words))
		for _, word := range words {
			text += "$" + strconv.Itoa(len(word)) + "\r\n" + word + "\r\n"
		}
		return text
	}, func(int) string { return "" })
}

func (s *redisSender) send(d *draw, now time.Time, t *tally) {
	s.payload.fill(d, now)
	if _, err := s.conn.Write(s.payload.bytes); err != nil {
		t.failed(err)
		return
	}
	refused := 0
	for range s.payload.records {
		line, err := s.in.ReadSlice('\n')
		if err != nil {
			t.failed(err)
			return
		}
		if line[0] != ':' {
			refused++
			t.add("refused", 1, true, string(bytes.TrimSpace(line)))
		}
	}
	t.answered(time.Since(now), s.payload.records-refused)
}

func (s *redisSender) close() { s.conn.Close() }
