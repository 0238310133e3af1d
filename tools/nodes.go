package tools

import (
	"strings"

	"headcount/client"
)

// dial returns a client of the nodes at the URLs, separated by commas.
func dial(urls string, options client.Options) (*client.Client, error) {
	var bases []string
	for base := range strings.SplitSeq(urls, ",") {
		bases = append(bases, strings.TrimSpace(base))
	}
	return client.New(options, bases...)
}
