package cli

import (
	"context"
	"fmt"
	"log/slog"

	"headcount/fsm"
	"headcount/node"
	"headcount/pgsink"
)

// copier gives pgsink a shard's outbox while this node leads the shard.
func copier(sink *pgsink.Sink, logger *slog.Logger) node.Copier {
	return func(ctx context.Context, incarnation string, shard uint32, outbox *node.Outbox) {
		stream := pgsink.Stream{Incarnation: incarnation, Shard: shard}
		if err := sink.Run(ctx, stream, outboxRows{outbox}); err != nil && ctx.Err() == nil {
			logger.Error("copying to PostgreSQL ended: users of this shard wait in the outbox", "shard", shard, "err", err)
		}
	}
}

// outboxRows reads a node's outbox as rows.
type outboxRows struct{ *node.Outbox }

var _ pgsink.Outbox = outboxRows{}

// Next implements [pgsink.Outbox].
func (o outboxRows) Next(ctx context.Context, after uint64, rowsMax int) (pgsink.Batch, error) {
	b, err := o.Outbox.Next(ctx, after, rowsMax)
	if err != nil {
		return pgsink.Batch{}, err
	}
	batch := pgsink.Batch{Index: b.Index, Rows: make([]pgsink.Row, 0, b.Rows)}
	for _, data := range b.Records {
		for len(data) > 0 {
			r, rest, err := fsm.NextRecord(data)
			if err != nil {
				return pgsink.Batch{}, fmt.Errorf("reading the outbox: %w", err)
			}
			batch.Rows = append(batch.Rows, row(r))
			data = rest
		}
	}
	return batch, nil
}

func row(r fsm.Record) pgsink.Row {
	out := pgsink.Row{ID: string(r.ID), Segment: string(r.Segment), Expiry: r.Expiry}
	switch r.Op {
	case fsm.OpPut:
		out.Op = pgsink.OpPut
	case fsm.OpDelete:
		out.Op = pgsink.OpDelete
	default:
		out.Op = pgsink.OpErase
	}
	return out
}
