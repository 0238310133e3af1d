package api

import "strconv"

// getCounts answers with all segments, or with the largest of them.
func (x *exchange) getCounts() {
	counts, err := x.server.service.Counts(x.read)
	if err != nil {
		x.failure(err, problemInternal)
		return
	}
	if x.limit == 0 || x.limit >= len(counts.Segments) {
		x.reply(200, counts.Body)
		return
	}
	reply := append(x.scratch[:0], '[')
	for i, segment := range counts.Segments[:x.limit] {
		if i > 0 {
			reply = append(reply, ',')
		}
		reply = segment.append(reply)
	}
	x.scratch = append(reply, ']')
	x.replyScratch(200)
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
