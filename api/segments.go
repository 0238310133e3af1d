package api

import "strconv"

// reasonAtPast says where the past is to be had.
const reasonAtPast = "at is in the past: GET /segments/{title}/history has the counts kept at ticks"

// getCounts answers with all segments, or with the largest of them, as they are or
// as they will be at an instant if nobody renews.
func (x *exchange) getCounts() {
	ahead := x.asked.given&queryAt != 0
	if ahead && x.asked.at < x.server.service.Now().Unix() {
		x.problem(problemBadRequest, reasonAtPast)
		return
	}
	counts, err := x.counts(ahead)
	if err != nil {
		x.failure(err, problemInternal)
		return
	}
	limit := x.asked.limit
	if limit == 0 || limit >= len(counts.Segments) {
		if ahead {
			x.reply(200, counts.Body)
		} else {
			x.replyRepresentation(x.server.counts.of(counts.Body))
		}
		return
	}
	reply := append(x.scratch[:0], '[')
	for i, segment := range counts.Segments[:limit] {
		if i > 0 {
			reply = append(reply, ',')
		}
		reply = segment.append(reply)
	}
	x.scratch = append(reply, ']')
	x.replyScratch(200)
}

func (x *exchange) counts(ahead bool) (Counts, error) {
	if ahead {
		return x.server.service.CountsAt(x.read, x.asked.at)
	}
	return x.server.service.Counts(x.read)
}

// getCount answers with one segment, which need not exist.
func (x *exchange) getCount() {
	title, ok := x.name(0, "segment")
	if !ok {
		return
	}
	count, err := x.server.service.Count(x.read, title)
	if err != nil {
		x.failure(err, problemInternal)
		return
	}
	x.scratch = SegmentCount{Title: string(title), UsersCount: count}.append(x.scratch[:0])
	x.replyScratch(200)
}

func (s SegmentCount) append(dst []byte) []byte {
	dst = append(dst, `{"title":`...)
	dst = appendText(dst, s.Title)
	dst = append(dst, `,"usersCount":`...)
	dst = strconv.AppendUint(dst, s.UsersCount, 10)
	return append(dst, '}')
}
