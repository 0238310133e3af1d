package main

import (
	"testing"
	"testing/quick"
	"time"
)

// The instants of an open loop are as many as are scheduled, in order, all within the time.
func TestTheScheduleIsWhatIsTaken(t *testing.T) {
	check := func(perSecond uint16, milliseconds uint8, odd uint8) bool {
		p := newPace(float64(perSecond)+1/(float64(odd)+1), time.Duration(milliseconds)*time.Millisecond)
		n := p.scheduled()
		if n > 0 && (p.due(0) != p.began || !p.due(n-1).Before(p.until)) {
			return false
		}
		return !p.due(n).Before(p.until)
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

func TestAPaceEndsWhenToldTo(t *testing.T) {
	for name, rate := range map[string]float64{"closed": 0, "open": 0.001} {
		p := newPace(rate, time.Hour)
		if _, more := p.next(); !more {
			t.Errorf("%s: the first request is not due", name)
		}
		ended := make(chan bool, 1)
		go func() {
			p.rest(p.until)
			_, more := p.next()
			ended <- more
		}()
		p.stop.Store(true)
		if <-ended {
			t.Errorf("%s: it goes on", name)
		}
	}
}
