package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

const kindEcho Kind = 1

type peerOptions struct {
	cluster  string
	instance Instance
	expects  Instance // at every address it dials
	hasData  bool
	handle   Handler
}

func startPeer(t *testing.T, o peerOptions) (*Transport, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if o.cluster == "" {
		o.cluster = "test"
	}
	p := New(Config{
		Cluster: o.cluster, Instance: o.instance, Listener: ln,
		InstanceAt:        func(string) Instance { return o.expects },
		AcceptUnaddressed: func() bool { return o.hasData },
		Logger:            slog.New(slog.DiscardHandler),
	})
	if o.handle != nil {
		p.Handle(kindEcho, o.handle)
	}
	p.Serve()
	t.Cleanup(func() { _ = p.Close() }) // some tests close it themselves
	return p, ln.Addr().String()
}

func echo(_ context.Context, payload []byte) ([]byte, error) { return payload, nil }

func TestRequestsOverlapOnOneConnection(t *testing.T) {
	_, address := startPeer(t, peerOptions{handle: func(_ context.Context, payload []byte) ([]byte, error) {
		time.Sleep(time.Duration(payload[0]) * time.Millisecond) // so that replies overtake each other
		return payload, nil
	}})
	a, _ := startPeer(t, peerOptions{})
	var calls sync.WaitGroup
	for i := range 200 {
		calls.Go(func() {
			sent := bytes.Repeat([]byte{byte(i * 7 % 20)}, 1+i*100)
			got, err := a.Call(t.Context(), address, kindEcho, sent)
			if err != nil || !bytes.Equal(got, sent) {
				t.Errorf("call %d: %d bytes of %d, %v", i, len(got), len(sent), err)
			}
		})
	}
	calls.Wait()
}

func TestFailuresSayWhetherThePeerSawTheRequest(t *testing.T) {
	a, _ := startPeer(t, peerOptions{})
	b, address := startPeer(t, peerOptions{handle: func(ctx context.Context, payload []byte) ([]byte, error) {
		if string(payload) == "fail" {
			return nil, errors.New("it would not do")
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	var remote *RemoteError
	if _, err := a.Call(t.Context(), address, kindEcho, []byte("fail")); !errors.As(err, &remote) || remote.Text != "it would not do" {
		t.Errorf("a handler's failure: %v", err)
	}
	if _, err := a.Call(t.Context(), address, 77, nil); !errors.As(err, &remote) {
		t.Errorf("a request of no known kind: %v", err)
	}
	brief, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.Call(brief, address, kindEcho, []byte("hang")); !errors.Is(err, ErrNoReply) {
		t.Errorf("a reply that does not come: %v", err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := a.Call(t.Context(), address, kindEcho, []byte("hang"))
		ended <- err
	}()
	time.Sleep(50 * time.Millisecond)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, ErrNoReply) && !errors.As(err, &remote) {
		t.Errorf("a peer that ended: %v", err)
	}
	// The handler's answer may come before the end of the connection is seen: then
	// one more request goes out on it, and nobody can say whether it was read.
	_, err := a.Call(t.Context(), address, kindEcho, nil)
	if errors.Is(err, ErrNoReply) {
		_, err = a.Call(t.Context(), address, kindEcho, nil)
	}
	if !errors.Is(err, ErrNotSent) {
		t.Errorf("a peer that is gone: %v", err)
	}
	if _, err := a.Call(t.Context(), address, kindEcho, make([]byte, RequestBytesMax+1)); !errors.Is(err, ErrNotSent) {
		t.Errorf("a request that is too large: %v", err)
	}
}

func TestPeerThatComesBackIsReachedAgain(t *testing.T) {
	a, _ := startPeer(t, peerOptions{})
	b, address := startPeer(t, peerOptions{handle: echo})
	if _, err := a.Call(t.Context(), address, kindEcho, []byte("1")); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	again := New(Config{Cluster: "test", Listener: ln, Logger: slog.New(slog.DiscardHandler)})
	again.Handle(kindEcho, echo)
	again.Serve()
	defer again.Close()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err = a.Call(t.Context(), address, kindEcho, []byte("2")); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not reached again: %v", err)
		}
	}
}

func TestStreamsThatMustNotBeAreRefused(t *testing.T) {
	self, other := Instance{1}, Instance{2}
	for _, c := range []struct {
		name          string
		dialler, peer peerOptions
		closed        bool // the peer has not opened the group
		refusal       string
	}{
		{name: "another cluster", dialler: peerOptions{cluster: "prod", expects: self}, peer: peerOptions{instance: self}, refusal: `cluster "test"`},
		{name: "another data directory", dialler: peerOptions{expects: other}, peer: peerOptions{instance: self, hasData: true}, refusal: "another data directory"},
		{name: "nobody expected, nothing on disk", peer: peerOptions{instance: self}, refusal: "no data yet"},
		{name: "a group that is not open", dialler: peerOptions{expects: self}, peer: peerOptions{instance: self}, closed: true, refusal: "not open"},
		{name: "expected", dialler: peerOptions{expects: self}, peer: peerOptions{instance: self}},
		{name: "nobody expected, but data on disk", peer: peerOptions{instance: self, hasData: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, _ := startPeer(t, c.dialler)
			b, address := startPeer(t, c.peer)
			from, err := a.Group(3)
			if err != nil {
				t.Fatal(err)
			}
			if !c.closed {
				to, err := b.Group(3)
				if err != nil {
					t.Fatal(err)
				}
				go echoOnce(to)
			}
			conn, err := from.Dial(raft.ServerAddress(address), 5*time.Second)
			if c.refusal != "" {
				if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.refusal) {
					t.Fatalf("dialling: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatalf("dialling: %v", err)
			}
			defer conn.Close()
			if _, err := conn.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func echoOnce(ln net.Listener) {
	conn, err := ln.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.CopyN(conn, conn, 1) // the dialler sees it if it fails
}

func TestGarbageOnThePortHarmsNobody(t *testing.T) {
	_, address := startPeer(t, peerOptions{handle: echo})
	for _, garbage := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		string(magic[:]),
		string(header{carries: 9, cluster: "test"}.append(nil)),
		string(header{carries: carriesRequests, cluster: "test"}.append(nil)) + "\xff\xff\xff\xff\xff\xff\xff\xff\x01\xff\xff\xff\xff",
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte(garbage))   // likewise
		_ = conn.(*net.TCPConn).CloseWrite() // the peer may have hung up already
		_, _ = io.Copy(io.Discard, conn)     // until the peer hangs up
		_ = conn.Close()
	}
	a, _ := startPeer(t, peerOptions{})
	if _, err := a.Call(t.Context(), address, kindEcho, []byte("still there")); err != nil {
		t.Error(err)
	}
}

func FuzzReadHeader(f *testing.F) {
	f.Add(header{carries: carriesRaft, group: 7, instance: Instance{9}, cluster: "test"}.append(nil))
	f.Add([]byte("GET / HTTP/1.1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := readHeader(bytes.NewReader(data))
		if err != nil {
			return
		}
		if again := h.append(nil); !bytes.HasPrefix(data, again) {
			t.Errorf("%x was read as %+v, which is %x", data, h, again)
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	for _, size := range []int{0, 1, 300} {
		var head [frameHeaderBytes]byte
		binary.LittleEndian.PutUint32(head[9:], uint32(size))
		f.Add(fmt.Appendf(head[:], "%0*d", size, 0))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _, payload, err := readFrame(bytes.NewReader(data))
		if err == nil && !bytes.HasPrefix(data[frameHeaderBytes:], payload) {
			t.Errorf("payload %x of %x", payload, data)
		}
	})
}
