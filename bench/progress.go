package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

const progressPause = 250 * time.Millisecond // between two drawings

// progress is a line on a terminal that says how a run fares, and nothing elsewhere.
// Its methods are called by one goroutine; between begin and end another one, which
// end waits for, draws.
type progress struct {
	terminal io.Writer // nil: not a terminal
	fleet    *fleet
	run      string

	stop    chan struct{}
	drawing sync.WaitGroup
}

func newProgress(errs io.Writer, f *fleet, run string) *progress {
	p := &progress{fleet: f, run: run}
	if file, ok := errs.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		p.terminal = file
	}
	return p
}

// begin draws the slice until end.
func (p *progress) begin(to target, slice, slices int) {
	if p.terminal == nil {
		return
	}
	p.stop = make(chan struct{})
	p.drawing.Go(func() { p.draw(to, slice, slices, p.stop) })
}

func (p *progress) end() {
	if p.terminal == nil {
		return
	}
	close(p.stop)
	p.drawing.Wait()
}

func (p *progress) draw(to target, slice, slices int, stop <-chan struct{}) {
	name := [targets]string{toCluster: "cluster", toEmpty: "empty handler"}[to]
	ticker := time.NewTicker(progressPause)
	defer ticker.Stop()
	last, at := p.fleet.acknowledged(to), time.Now()
	for {
		select {
		case <-stop:
			return
		case now := <-ticker.C:
			sum := p.fleet.acknowledged(to)
			rate := float64(sum-last) / now.Sub(at).Seconds()
			last, at = sum, now
			// \x1b[K clears what a longer line left behind.
			fmt.Fprintf(p.terminal, "\r%s, slice %d of %d: %s, %s writes/s\x1b[K", p.run, slice, slices, name, grouped(rate))
		}
	}
}

// clear takes the line away.
func (p *progress) clear() {
	if p.terminal != nil {
		fmt.Fprint(p.terminal, "\r\x1b[K")
	}
}
