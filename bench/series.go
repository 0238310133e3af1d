package main

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	seriesWindowMin  = 200 * time.Millisecond
	seriesWindowsMax = 600

	// Latencies are kept in eighths of an octave, from a microsecond up: to within 9 %.
	seriesSteps   = 8
	seriesOctaves = 28 // up to four minutes
)

// series is what came of requests over time, in equal windows. Any goroutine may add to
// it. Nil: it is not kept.
type series struct {
	began   time.Time
	width   time.Duration
	windows []seriesWindow
}

type seriesWindow struct {
	acknowledged atomic.Uint64
	latencies    [seriesOctaves * seriesSteps]atomic.Uint32 // requests
}

// newSeries is for requests from began on, for so long; what comes later falls into the
// last window.
func newSeries(began time.Time, d time.Duration) *series {
	width := max(seriesWindowMin, (d/seriesWindowsMax).Round(time.Millisecond)+time.Millisecond)
	return &series{began: began, width: width, windows: make([]seriesWindow, d/width+1)}
}

// add counts a request by when it began, or was due.
func (s *series) add(at time.Time, took time.Duration, records int) {
	if s == nil {
		return
	}
	w := &s.windows[min(max(0, int(at.Sub(s.began)/s.width)), len(s.windows)-1)]
	w.acknowledged.Add(uint64(records))
	w.latencies[stepOf(took)].Add(1)
}

// stepOf returns the step of a latency: the octave from its highest bit, the eighth of it
// from the three below.
func stepOf(took time.Duration) int {
	us := uint64(max(took.Microseconds(), 1))
	octave := bits.Len64(us) - 1
	return min(octave*seriesSteps+int(us<<3>>octave)&(seriesSteps-1), seriesOctaves*seriesSteps-1)
}

// latencyOf returns the middle of a step, in milliseconds.
func latencyOf(step int) float64 {
	octave, eighth := step/seriesSteps, step%seriesSteps
	return float64(uint64(1)<<octave) * (1 + (float64(eighth)+0.5)/seriesSteps) / 1000
}

// seriesPoint is one window.
type seriesPoint struct {
	Second          float64 // of its beginning
	WritesPerSecond float64
	P50, P99, Max   float64 // milliseconds
}

// points of the windows in which something was done. The first and the last may be cut.
func (s *series) points() (list []seriesPoint) {
	for i := range s.windows {
		w := &s.windows[i]
		var counts [seriesOctaves * seriesSteps]uint32
		var total uint64
		for step := range counts {
			counts[step] = w.latencies[step].Load()
			total += uint64(counts[step])
		}
		if total == 0 {
			continue
		}
		p := seriesPoint{
			Second:          (time.Duration(i) * s.width).Seconds(),
			WritesPerSecond: float64(w.acknowledged.Load()) / s.width.Seconds(),
		}
		var sum uint64
		for step, n := range counts {
			if n == 0 {
				continue
			}
			if sum*2 < total {
				p.P50 = latencyOf(step)
			}
			if sum*100 < total*99 {
				p.P99 = latencyOf(step)
			}
			p.Max = latencyOf(step)
			sum += uint64(n)
		}
		list = append(list, p)
	}
	return list
}
