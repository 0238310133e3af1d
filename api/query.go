package api

import "bytes"

// queryParams is the set of query parameters that a route knows.
type queryParams uint8

const (
	queryConsistency queryParams = 1 << iota // consistency=local or linearizable
	queryLimit                               // limit=N
	queryVersion                             // no parameter, but the header Headcount-Min-Version
	queryAny                                 // whatever: there is nothing to read

	queryRead = queryConsistency | queryVersion
)

// limitMax bounds ?limit=.
const limitMax = 1_000_000

const headerMinVersion = "Headcount-Min-Version"

// parseQuery reads the parameters of a request into x, or refuses the request.
func (x *exchange) parseQuery() bool {
	known := x.route.query
	if known&queryAny != 0 {
		return true
	}
	var seen queryParams
	for rest := x.query; len(rest) > 0; {
		var pair []byte
		pair, rest, _ = bytes.Cut(rest, []byte("&"))
		key, value, _ := bytes.Cut(pair, []byte("="))
		param, reason := x.parseParam(string(key), value)
		switch {
		case param&known == 0:
			reason = x.unknownParam()
		case param&seen != 0:
			reason = "a query parameter is given twice: give it once"
		}
		if reason != "" {
			x.problem(problemBadRequest, reason)
			return false
		}
		seen |= param
	}
	return known&queryVersion == 0 || x.parseMinVersion()
}

func (x *exchange) parseParam(key string, value []byte) (param queryParams, reason string) {
	switch key {
	case "consistency":
		switch string(value) {
		case "linearizable":
			x.read.Linearizable = true
		case "local":
		default:
			reason = "consistency must be local or linearizable"
		}
		return queryConsistency, reason
	case "limit":
		n, rest, ok := cutNumber(value, limitMax)
		if !ok || len(rest) > 0 || n == 0 {
			reason = "limit must be a whole number from 1 to 1000000"
		}
		x.limit = int(n)
		return queryLimit, reason
	default:
		return 0, ""
	}
}

func (x *exchange) unknownParam() string {
	switch {
	case x.route.query&queryLimit != 0:
		return "there is an unknown query parameter: the path knows consistency and limit"
	case x.route.query&queryConsistency != 0:
		return "there is an unknown query parameter: the path knows consistency"
	default:
		return "there is an unknown query parameter: the path knows none"
	}
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
