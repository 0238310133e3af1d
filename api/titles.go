package api

import "bytes"

// overlapTitlesMax bounds the segments of one overlap.
const overlapTitlesMax = 8

// The reasons for which titles are refused.
const (
	reasonTitlesFew   = "titles must name 2 to 8 segments: separate them by commas, or give titles several times; a comma in a title is %2C"
	reasonTitlesMany  = "titles names more than 8 segments: ask for 8 at most"
	reasonTitlesTwice = "titles names a segment twice: name each once"
)

// parseTitles adds the titles of one value of ?titles= to what was asked. They are
// split before they are decoded, so that %2C is a comma within a title.
func (x *exchange) parseTitles(value []byte) (reason string) {
	for more := true; more; {
		var raw []byte
		raw, value, more = bytes.Cut(value, []byte(","))
		start := len(x.names)
		names, ok := unescapeQuery(x.names, raw)
		x.names = names
		title := names[start:len(names):len(names)]
		if reason = checkName(title); !ok {
			reason = reasonNamePercent
		}
		switch {
		case reason != "":
			return "a title in titles " + reason
		case x.asked.names(title):
			return reasonTitlesTwice
		case len(x.asked.titles) == overlapTitlesMax:
			return reasonTitlesMany
		}
		x.asked.titles = append(x.asked.titles, title)
	}
	return ""
}

func (a *asked) names(title []byte) bool {
	for _, other := range a.titles {
		if bytes.Equal(other, title) {
			return true
		}
	}
	return false
}
