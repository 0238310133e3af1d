package node

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"headcount/fsm"
)

// A batch travels to the leader as
//
//	shard  uvarint
//	batch  as in an entry, see fsm.AppendBatch
//
// and its outcome comes back as one byte and what belongs to it.
const (
	forwardApplied     = 1 // index uvarint, then one status a byte
	forwardNotProposed = 2 // the reason as text
	forwardNotApplied  = 3 // retry-after in milliseconds uvarint, then the reason
	forwardOpen        = 4 // the reason: it may take effect yet
	forwardOutboxFull  = 5 // nothing
)

func appendForward(dst []byte, shard uint32, b fsm.Batch) []byte {
	dst = binary.AppendUvarint(dst, uint64(shard))
	return fsm.AppendBatch(dst, b)
}

func parseForward(payload []byte) (shard uint32, b fsm.Batch, err error) {
	n, size := binary.Uvarint(payload)
	if size <= 0 || n > 1<<31 {
		return 0, b, errors.New("forwarded batch: no shard number")
	}
	b, err = fsm.CheckBatch(payload[size:])
	return uint32(n), b, err
}

func appendOutcome(dst []byte, d delivery, err error) []byte {
	var refusal *NotApplied
	switch {
	case err == nil:
		dst = append(dst, forwardApplied)
		dst = binary.AppendUvarint(dst, d.index)
		for _, s := range d.statuses {
			dst = append(dst, byte(s))
		}
		return dst
	case errors.Is(err, errNotProposed):
		return append(append(dst, forwardNotProposed), err.Error()...)
	case errors.As(err, &refusal) && refusal.OutboxFull:
		return append(dst, forwardOutboxFull)
	case errors.As(err, &refusal):
		dst = append(dst, forwardNotApplied)
		dst = binary.AppendUvarint(dst, uint64(refusal.RetryAfter.Milliseconds()))
		return append(dst, refusal.Reason...)
	default:
		return append(append(dst, forwardOpen), err.Error()...)
	}
}

// parseOutcome decodes a leader's answer for a batch of count records.
func parseOutcome(reply []byte, count int) (delivery, error) {
	if len(reply) == 0 {
		return delivery{}, errors.New("the leader's answer is empty")
	}
	code, body := reply[0], reply[1:]
	switch code {
	case forwardNotProposed:
		return delivery{}, fmt.Errorf("%w: leader: %s", errNotProposed, body)
	case forwardOutboxFull:
		return delivery{}, outboxFull()
	case forwardOpen:
		return delivery{}, fmt.Errorf("leader: %s", body)
	}
	n, size := binary.Uvarint(body)
	if size <= 0 {
		return delivery{}, errors.New("the leader's answer is damaged")
	}
	body = body[size:]
	switch {
	case code == forwardNotApplied:
		return delivery{}, &NotApplied{Reason: string(body), RetryAfter: time.Duration(min(n, 60_000)) * time.Millisecond}
	case code == forwardApplied && len(body) == count:
		d := delivery{index: n, statuses: make([]fsm.Status, count)}
		for i, s := range body {
			d.statuses[i] = fsm.Status(s)
		}
		return d, nil
	default:
		return delivery{}, errors.New("the leader's answer is damaged")
	}
}
