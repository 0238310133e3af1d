package client

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"net/http"
)

// Bounds of the requests that PutAll makes of a stream.
const (
	bulkRecordsMax = 10_000
	bulkBytesMax   = 1 << 20 // soft: the record that passes it is the request's last
	rejectionsMax  = 100
)

// BulkResult says what became of the memberships of a stream.
type BulkResult struct {
	Created   int64 `json:"created"`
	Renewed   int64 `json:"renewed"`
	Unchanged int64 `json:"unchanged"`
	Expired   int64 `json:"expired"`
	Rejected  int64 `json:"rejected"` // not applied; the same record would be rejected again

	Rejections []Rejection `json:"rejections"` // the first 100
	Version    Version     `json:"-"`          // for [AtLeast]; covers the whole stream
}

// Rejection says why a membership was refused.
type Rejection struct {
	Record int64  `json:"record"` // its place in the stream, from 1
	Reason string `json:"reason"`
}

// PutAll puts the memberships of a stream, in requests of at most 10,000, one after
// the other. A rejected membership does not stop it; a failed request does. Then
// the result covers the requests before, and the error names the records of the
// failed one, of which some may have been applied if it matches [ErrUnknown].
func (c *Client) PutAll(ctx context.Context, memberships iter.Seq[Membership]) (BulkResult, error) {
	var (
		total   BulkResult
		sent    int64 // records of the requests before
		records int64 // in body
		body    bytes.Buffer
	)
	flush := func() error {
		result, err := c.putRecords(ctx, sent, records, body.Bytes())
		if err != nil {
			return err
		}
		total.add(result, sent)
		sent, records = sent+records, 0
		// A fresh buffer: net/http may hold the old one a little after its reply.
		body = bytes.Buffer{}
		return nil
	}
	for m := range memberships {
		line, err := m.encode()
		if err != nil {
			err = fmt.Errorf("record %d: %w", sent+records+1, err)
			return total, notSent(fmt.Sprintf("put records %d to %d", sent+1, sent+records+1), err)
		}
		body.Write(line)
		body.WriteByte('\n')
		records++
		if records == bulkRecordsMax || body.Len() >= bulkBytesMax {
			if err := flush(); err != nil {
				return total, err
			}
		}
	}
	if records > 0 {
		if err := flush(); err != nil {
			return total, err
		}
	}
	return total, nil
}

// putRecords sends one request of the stream, which begins after the records sent.
func (c *Client) putRecords(ctx context.Context, sent, records int64, body []byte) (BulkResult, error) {
	r := request{
		doing:  fmt.Sprintf("put records %d to %d", sent+1, sent+records),
		method: http.MethodPost, path: "/users",
		contentType: "application/x-ndjson", body: body, harmless: true, bulk: true,
	}
	var result BulkResult
	header, err := c.do(ctx, r, &result)
	if err != nil {
		return BulkResult{}, err
	}
	result.Version, err = ParseVersion(header.Get(headerVersion))
	if err != nil {
		return BulkResult{}, &failure{doing: r.doing, outcome: ErrUnknown, lastRound: []error{err}}
	}
	return result, nil
}

// add counts in the result of a request that began after the records sent.
func (b *BulkResult) add(result BulkResult, sent int64) {
	b.Created += result.Created
	b.Renewed += result.Renewed
	b.Unchanged += result.Unchanged
	b.Expired += result.Expired
	b.Rejected += result.Rejected
	b.Version = b.Version.Merge(result.Version)
	for _, rejection := range result.Rejections {
		if len(b.Rejections) == rejectionsMax {
			return
		}
		rejection.Record += sent
		b.Rejections = append(b.Rejections, rejection)
	}
}
