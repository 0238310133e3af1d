package main

import (
	"context"
	"time"
)

// peer is a system that can keep memberships.
type peer struct {
	name       string
	durability string // what of a write is safe when it is acknowledged
	copies     int    // of every membership

	// missing says what has to be installed before it can be started; "": nothing.
	missing func() string
	// start starts it with its data in a directory that exists. It ends with stop, and
	// with this process.
	start func(ctx context.Context, o compareOptions, dir string) (*site, error)
}

// site is a running peer.
type site struct {
	pids []int // of its processes; those that they started belong to it too

	// open makes a sender of requests of so many records; number tells the senders
	// apart. Nothing that it sends outlasts ctx, which has a deadline, for long.
	open func(ctx context.Context, number int, o options) (sender, error)
	stop func() error

	ended func() error // not nil when a program has ended by itself; only of startPrograms
}

// sender sends one request at a time. One goroutine uses it.
type sender interface {
	// send sends memberships that are drawn, and counts what comes of them.
	send(d *draw, now time.Time, t *tally)
	close()
}

// peers in the order in which they are measured.
func peers() []peer {
	return []peer{
		emptyPeer("empty", "none: nothing is kept", false),
		emptyPeer("fsync", "the body is written over and over in one file, and synced", true),
		headcountPeer("headcount", "none"),
		headcountPeer("headcount+postgresql", "auto"),
		redisPeer("redis", "none: lost with the process", "--appendonly", "no"),
		redisPeer("redis+fsync", "synced by one", "--appendonly", "yes", "--appendfsync", "always"),
		postgresPeer(),
		etcdPeer(),
	}
}
