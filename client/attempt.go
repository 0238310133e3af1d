package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	replyBytesMax  = 16 << 20 // 10,000 segments with the longest titles are 4 MiB
	detailBytesMax = 300      // of a reply that is no problem document
)

// The headers of the version protocol.
const (
	headerVersion    = "Headcount-Version"
	headerMinVersion = "Headcount-Min-Version"
)

// request is one call of the API, complete, so that it can be sent again.
type request struct {
	doing       string // what is being done, for errors: "put u104010 into sports"
	method      string
	path        string // escaped
	query       url.Values
	contentType string // of the body
	minVersion  string // for a read: wait until the node has it
	body        []byte
	harmless    bool // a repeat leaves everything as the first left it
	bulk        bool // the records before a refused one may have been applied
}

func (r request) isRead() bool { return r.method == http.MethodGet }

// attempt sends the request to one URL and decodes the reply into value, if any.
// Its error is a *Problem or a *transportError, or says why the reply made no sense.
func (c *Client) attempt(ctx context.Context, base string, r request, value any) (http.Header, error) {
	attemptCtx, cancel := context.WithTimeout(ctx, c.options.AttemptTimeout)
	defer cancel()
	var connected atomic.Bool
	attemptCtx = httptrace.WithClientTrace(attemptCtx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	message, err := r.message(attemptCtx, base)
	if err != nil {
		return nil, &transportError{sent: false, err: err}
	}

	status, header, body, err := c.exchange(message)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, &transportError{sent: connected.Load(), err: ctx.Err()}
	case err != nil && attemptCtx.Err() != nil:
		err = fmt.Errorf("no reply within %s: %w", c.options.AttemptTimeout, attemptCtx.Err())
		return nil, &transportError{sent: connected.Load(), err: err}
	case err != nil:
		return nil, &transportError{sent: connected.Load(), err: err}
	case len(body) > replyBytesMax:
		return nil, fmt.Errorf("the reply has more than %d bytes", replyBytesMax)
	case status < 200 || status > 299:
		return nil, problemOf(status, header, body)
	}
	if value != nil {
		if err := json.Unmarshal(body, value); err != nil {
			return nil, fmt.Errorf("decoding the reply: %w", err)
		}
	}
	return header, nil
}

// message builds the HTTP request.
func (r request) message(ctx context.Context, base string) (*http.Request, error) {
	target := base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	m, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	if r.contentType != "" {
		m.Header.Set("Content-Type", r.contentType)
	}
	if r.minVersion != "" {
		m.Header.Set(headerMinVersion, r.minVersion)
	}
	if r.harmless {
		// Sends no header. It lets net/http send the request once more when a
		// connection kept alive turns out to be closed.
		m.Header["Idempotency-Key"] = nil
	}
	return m, nil
}

// exchange sends the message and reads the reply, up to one byte past its bound.
func (c *Client) exchange(message *http.Request) (int, http.Header, []byte, error) {
	reply, err := c.http.Do(message)
	if err != nil {
		// The method and the URL that url.Error adds are in the error already.
		var outer *url.Error
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return 0, nil, nil, err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(io.LimitReader(reply.Body, replyBytesMax+1))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("reading the reply: %w", err)
	}
	return reply.StatusCode, reply.Header, body, nil
}

// problemOf makes a Problem of a reply that is no success. A proxy's reply has no
// problem document: then the beginning of its text is the detail.
func problemOf(status int, header http.Header, body []byte) *Problem {
	var document struct {
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		document.Detail = string(body[:min(len(body), detailBytesMax)])
	}
	return &Problem{
		Status:     status,
		Detail:     strings.Join(strings.Fields(document.Detail), " "),
		RetryAfter: retryAfter(header.Get("Retry-After"), time.Now()),
	}
}

// retryAfter reads the header's two forms: seconds, and a date. 0 for any other.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
