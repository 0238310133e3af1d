package api

import "strconv"

// getOverlap answers with how many users some segments have in common. It takes a
// while, so it ends when the client hangs up.
func (x *exchange) getOverlap() {
	titles := x.asked.titles
	if len(titles) < 2 {
		x.problem(problemBadRequest, reasonTitlesFew)
		return
	}
	ctx, stop := untilHangup(x.ctx.Conn())
	defer stop()
	overlap, err := x.server.service.Overlap(ctx, x.read, titles)
	if err != nil {
		x.failure(err, problemInternal)
		return
	}
	reply := append(x.scratch[:0], `{"segments":[`...)
	for i, title := range titles {
		if i > 0 {
			reply = append(reply, ',')
		}
		reply = SegmentCount{Title: string(title), UsersCount: overlap.Segments[i]}.append(reply)
	}
	reply = append(reply, `],"intersection":`...)
	reply = strconv.AppendUint(reply, overlap.Intersection, 10)
	reply = append(reply, `,"union":`...)
	reply = strconv.AppendUint(reply, overlap.Union, 10)
	x.scratch = append(reply, '}')
	x.replyScratch(200)
}
