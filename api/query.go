package api

import (
	"bytes"
	"strings"
)

// queryParams is the set of query parameters that a route knows.
type queryParams uint16

const (
	queryConsistency queryParams = 1 << iota // consistency=local or linearizable
	queryLimit                               // limit=N
	queryAt                                  // at=<instant>
	queryUntil                               // until=<instant>
	queryStep                                // step=<length of time>
	queryFrom                                // from=<instant>
	queryTo                                  // to=<instant>
	queryTitles                              // titles=a,b; may be given several times
	queryVersion                             // no parameter, but the header Headcount-Min-Version
	queryAny                                 // whatever: there is nothing to read

	queryRead = queryConsistency | queryVersion
)

// queryNames are the parameters in the order in which a refusal lists them.
var queryNames = [...]struct {
	param queryParams
	name  string
}{
	{queryAt, "at"},
	{queryUntil, "until"},
	{queryStep, "step"},
	{queryFrom, "from"},
	{queryTo, "to"},
	{queryTitles, "titles"},
	{queryConsistency, "consistency"},
	{queryLimit, "limit"},
}

// limitMax bounds ?limit=.
const limitMax = 1_000_000

const headerMinVersion = "Headcount-Min-Version"

// asked is what the query parameters of a request say. Instants are Unix seconds.
type asked struct {
	given    queryParams // the others are zero
	limit    int
	at       int64
	until    int64
	step     int64 // seconds, >= 1
	from, to int64
	titles   [][]byte // distinct names, at most overlapTitlesMax
}

// parseQuery reads the parameters of a request into x, or refuses the request.
func (x *exchange) parseQuery() bool {
	known := x.route.query
	if known&queryAny != 0 {
		return true
	}
	for rest := x.query; len(rest) > 0; {
		var pair []byte
		pair, rest, _ = bytes.Cut(rest, []byte("&"))
		key, value, _ := bytes.Cut(pair, []byte("="))
		param, reason := x.parseParam(string(key), value)
		switch {
		case param&known == 0:
			reason = known.unknown()
		case param&x.asked.given&^queryTitles != 0:
			reason = "a query parameter is given twice: give it once"
		}
		if reason != "" {
			x.problem(problemBadRequest, reason)
			return false
		}
		x.asked.given |= param
	}
	return known&queryVersion == 0 || x.parseMinVersion()
}

func (x *exchange) parseParam(key string, value []byte) (param queryParams, reason string) {
	switch key {
	case "consistency":
		switch string(unescaped(value)) {
		case "linearizable":
			x.read.Linearizable = true
		case "local":
		default:
			reason = "consistency must be local or linearizable"
		}
		return queryConsistency, reason
	case "limit":
		n, rest, ok := cutNumber(unescaped(value), limitMax)
		if !ok || len(rest) > 0 || n == 0 {
			reason = "limit must be a whole number from 1 to 1000000"
		}
		x.asked.limit = int(n)
		return queryLimit, reason
	case "at":
		x.asked.at, reason = queryInstant(key, value, roundDown)
		return queryAt, reason
	case "until":
		x.asked.until, reason = queryInstant(key, value, roundDown)
		return queryUntil, reason
	case "from":
		x.asked.from, reason = queryInstant(key, value, roundUp)
		return queryFrom, reason
	case "to":
		x.asked.to, reason = queryInstant(key, value, roundDown)
		return queryTo, reason
	case "step":
		x.asked.step, reason = queryStepSeconds(unescaped(value))
		return queryStep, reason
	case "titles":
		return queryTitles, x.parseTitles(value)
	default:
		return 0, ""
	}
}

// unescaped returns a value without escapes; as it is, to be refused, if they are wrong.
func unescaped(value []byte) []byte {
	if bytes.IndexByte(value, '%') < 0 {
		return value
	}
	if text, ok := unescapePath(nil, value); ok {
		return text
	}
	return value
}

// unknown says what a route knows, to a client that asked for something else.
func (p queryParams) unknown() string {
	var names []string
	for _, q := range queryNames {
		if p&q.param != 0 {
			names = append(names, q.name)
		}
	}
	knows := "none"
	if n := len(names); n > 1 {
		knows = strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	} else if n == 1 {
		knows = names[0]
	}
	return "there is an unknown query parameter: the path knows " + knows
}

func (x *exchange) parseMinVersion() bool {
	values := x.ctx.Request.Header.PeekAll(headerMinVersion)
	if len(values) == 0 {
		return true
	}
	if len(values) > 1 {
		x.problem(problemBadRequest, headerMinVersion+" is given twice: give it once")
		return false
	}
	version, err := parseVersion(x.version, values[0])
	if err != nil {
		x.problem(problemBadRequest, headerMinVersion+" "+err.Error())
		return false
	}
	x.version, x.read.MinVersion = version, version
	return true
}
