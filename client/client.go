package client

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Bounds that hold where the options name none.
const (
	attemptTimeoutDefault = 15 * time.Second
	retryWaitMaxDefault   = 30 * time.Second

	dialTimeout        = 3 * time.Second // then the next URL is asked
	idleTimeout        = 30 * time.Second
	idleConnsPerURLMax = 256
	urlsMax            = 1024
)

// Options of a [Client]. The zero value never repeats a round.
type Options struct {
	// RetriesMax is how many rounds may follow the first. 0: none.
	RetriesMax int

	// RetryWaitMax bounds each wait between two rounds. A node that asks for more
	// in Retry-After is not asked again: the error is returned. 0: 30 seconds.
	RetryWaitMax time.Duration

	// AttemptTimeout bounds one attempt at one URL, reply included. 0: 15 seconds.
	AttemptTimeout time.Duration

	// Transport carries the requests. nil: one of the client's own, which keeps up
	// to 256 idle connections per URL. It is a *http.Transport and not an interface
	// because the client relies on its connection trace to tell a request that was
	// never sent from one whose outcome is unknown.
	Transport *http.Transport
}

// Client asks the nodes of one cluster. See the package comment.
type Client struct {
	options Options
	http    http.Client
	urls    []string      // without a trailing slash; at least one
	first   atomic.Uint32 // index into urls of the one to ask first
}

// New returns a client of the nodes at the given base URLs, such as
// "http://127.0.0.1:8000". It does not connect yet.
func New(options Options, urls ...string) (*Client, error) {
	if len(urls) == 0 || len(urls) > urlsMax {
		return nil, fmt.Errorf("%d URLs given: give 1 to %d", len(urls), urlsMax)
	}
	if options.RetriesMax < 0 || options.RetryWaitMax < 0 || options.AttemptTimeout < 0 {
		return nil, fmt.Errorf("negative retries or times in the options: give 0 or more")
	}
	c := &Client{options: options.withDefaults()}
	for _, u := range urls {
		base, err := baseURL(u)
		if err != nil {
			return nil, err
		}
		c.urls = append(c.urls, base)
	}
	c.http = http.Client{
		Transport: c.options.Transport,
		// The API redirects nobody; a proxy that does is a wrong URL worth seeing.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// Close closes the idle connections. A request that comes later opens its own.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (o Options) withDefaults() Options {
	if o.AttemptTimeout == 0 {
		o.AttemptTimeout = attemptTimeoutDefault
	}
	if o.RetryWaitMax == 0 {
		o.RetryWaitMax = retryWaitMaxDefault
	}
	if o.Transport == nil {
		o.Transport = &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout: dialTimeout,
			MaxIdleConns:        0, // no bound beside the one per URL
			MaxIdleConnsPerHost: idleConnsPerURLMax,
			IdleConnTimeout:     idleTimeout,
		}
	}
	return o
}

// baseURL checks a base URL and strips its trailing slashes.
func baseURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("%q is no base URL: write it like http://127.0.0.1:8000", s)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q has a query or a fragment: a base URL has neither", s)
	}
	return strings.TrimRight(s, "/"), nil
}
