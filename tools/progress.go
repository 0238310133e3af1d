package tools

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

const progressPause = 100 * time.Millisecond // between two drawings

// progress is a bar on a terminal, and nothing anywhere else. add may be called
// from any goroutine. A failed drawing is no reason to stop what is being drawn.
type progress struct {
	bar *progressbar.ProgressBar // nil: not on a terminal
}

// newProgress begins a bar of so many steps, -1 if nobody knows how many.
func newProgress(out io.Writer, doing string, steps int64) progress {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return progress{}
	}
	return progress{bar: progressbar.NewOptions64(steps,
		progressbar.OptionSetWriter(file),
		progressbar.OptionSetDescription(doing),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("users"),
		progressbar.OptionThrottle(progressPause),
	)}
}

func (p progress) add(steps int) {
	if p.bar != nil {
		_ = p.bar.Add(steps)
	}
}

// clear takes the bar away, so that the next line stands in its place.
func (p progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
