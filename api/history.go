package api

const reasonHistoryRange = "from is after to: exchange them"

// getHistory answers with what a segment counted at the ticks kept: of all of them,
// where the client names no bounds.
func (x *exchange) getHistory() {
	title, ok := x.name(0, "segment")
	if !ok {
		return
	}
	from, to := x.asked.from, int64(instantMax)
	if x.asked.given&queryTo != 0 {
		to = x.asked.to
	}
	if from > to {
		x.problem(problemBadRequest, reasonHistoryRange)
		return
	}
	points, err := x.server.service.History(x.read, title, from, to)
	x.replyPoints(title, points, err)
}
