package api

import (
	"fmt"
	"strconv"
)

// forecastPointsMax bounds the points of one forecast.
const forecastPointsMax = 1000

// What a forecast is about where the client does not say, in seconds.
const (
	forecastAheadDefault = 14 * forecastStepDefault
	forecastStepDefault  = 24 * 60 * 60
)

const reasonUntilPast = "until is in the past: GET /segments/{title}/history has the counts kept at ticks"

// getForecast answers with how many of today's users will still be in a segment, step
// by step, if nobody renews.
func (x *exchange) getForecast() {
	title, ok := x.name(0, "segment")
	if !ok {
		return
	}
	until, step, reason := x.asked.forecast(x.server.service.Now().Unix())
	if reason != "" {
		x.problem(problemBadRequest, reason)
		return
	}
	points, err := x.server.service.Forecast(x.read, title, until, step)
	x.replyPoints(title, points, err)
}

// forecast fills in what was left out, and bounds the number of points.
func (a *asked) forecast(now int64) (until, step int64, reason string) {
	until, step = now+forecastAheadDefault, forecastStepDefault
	if a.given&queryUntil != 0 {
		until = a.until
	}
	if a.given&queryStep != 0 {
		step = a.step
	}
	if until < now {
		return 0, 0, reasonUntilPast
	}
	// One point is now.
	if points := (until-now)/step + 1; points > forecastPointsMax {
		return 0, 0, fmt.Sprintf("the forecast would have %d points, and may have %d: use a step of at least %s, or an earlier until",
			points, forecastPointsMax, stepText((until-now)/forecastPointsMax+1))
	}
	return until, step, ""
}

// replyPoints answers with a segment over time, in the same shape for past and future.
func (x *exchange) replyPoints(title []byte, points []Point, err error) {
	if err != nil {
		x.failure(err, problemInternal)
		return
	}
	reply := append(x.scratch[:0], `{"title":`...)
	reply = appendText(reply, string(title))
	reply = append(reply, `,"points":[`...)
	for i, p := range points {
		if i > 0 {
			reply = append(reply, ',')
		}
		reply = append(reply, `{"at":`...)
		reply = strconv.AppendInt(reply, p.At, 10)
		reply = append(reply, `,"usersCount":`...)
		reply = strconv.AppendUint(reply, p.UsersCount, 10)
		reply = append(reply, '}')
	}
	x.scratch = append(reply, "]}"...)
	x.replyScratch(200)
}
