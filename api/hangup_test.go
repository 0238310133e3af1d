package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"testing"
	"time"
)

// The work for a client ends when the client hangs up, also where fasthttp counts
// the connections of an IP address and so wraps them.
func TestOverlapEndsWhenTheClientHangsUp(t *testing.T) {
	for _, perIP := range []int{0, 100} {
		town := newTown()
		began, ended := make(chan struct{}, 1), make(chan error, 1) // one overlap each
		town.overlapping = func(ctx context.Context) error {
			began <- struct{}{}
			select {
			case <-ctx.Done():
			case <-time.After(testTimeout):
			}
			ended <- ctx.Err()
			return &Failure{Kind: BusyFailure, Detail: "given up"}
		}
		s := serve(t, town, Options{ConnectionsPerIPMax: perIP})
		conn := s.dial(t)
		io.WriteString(conn, requestText("GET", "/segments/overlap?titles=a,b", ""))
		<-began
		select {
		case err := <-ended:
			t.Fatalf("ended under a client that waits: %v", err)
		case <-time.After(4 * hangupEvery): // looked at, and the client is there
		}
		conn.Close()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%d connections per IP: the work went on: %v", perIP, err)
		}
		s.alive(t)
	}
}

func TestOverlapAnswersAClientThatWaits(t *testing.T) {
	town := newTown()
	town.overlapping = func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return errors.New("given up")
		case <-time.After(4 * hangupEvery): // the slow work itself
			return &Failure{Kind: BusyFailure, RetryAfter: 3 * time.Second, Detail: "two overlaps already"}
		}
	}
	s := serve(t, town, Options{})
	conn := s.dial(t)
	defer conn.Close()
	replies := bufio.NewReader(conn)
	for range 2 { // the connection is whole afterwards
		io.WriteString(conn, requestText("GET", "/segments/overlap?titles=a,b", ""))
		got := readReply(t, replies, "GET")
		if p := got.problem(t, 503); p.Type != problemURN+"busy" || got.header.Get("Retry-After") != "3" {
			t.Errorf("%v", got)
		}
	}
}
