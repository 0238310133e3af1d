package pgsink

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"time"
)

// Status is what a Sink has done and seen since it was opened.
type Status struct {
	Reachable   bool      `json:"reachable"` // as of the last exchange with PostgreSQL
	LastError   string    `json:"lastError,omitempty"`
	LastErrorAt time.Time `json:"lastErrorAt,omitzero"`
	RowsFlushed uint64    `json:"rowsFlushed"` // outbox rows whose effect is in PostgreSQL
	Flushes     uint64    `json:"flushes"`
	Errors      uint64    `json:"errors"`      // sessions that ended with an error; being fenced is none
	Fenced      uint64    `json:"fenced"`      // sessions that ended because another leader flushed
	Quarantined uint64    `json:"quarantined"` // rows PostgreSQL refused
	LastFlush   time.Time `json:"lastFlush,omitzero"`

	Streams []StreamStatus `json:"streams"` // sorted by incarnation and shard
}

// StreamStatus is about one shard that this node has led.
type StreamStatus struct {
	Incarnation string `json:"incarnation"`
	Shard       uint32 `json:"shard"`
	Cursor      uint64 `json:"cursor"` // the last one this node saw or wrote
	Gap         *Gap   `json:"gap,omitempty"`
	Ahead       *Gap   `json:"ahead,omitempty"` // entries that PostgreSQL has and the cluster lacks
}

// Gap is the entries after From, up to To, that one side lacks although the other has or had
// them: PostgreSQL, which was set back or replaced, or as Ahead the cluster, whose nodes were.
// Of several gaps From is the lowest and To the highest.
type Gap struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// Status may be called at any time.
func (s *Sink) Status() Status { return s.watched.status() }

// WriteMetrics writes the headcount_postgres_* metrics in Prometheus' text form.
func (s *Sink) WriteMetrics(w io.Writer) { s.watched.set.WritePrometheus(w) }

func (w *watched) status() Status {
	w.Lock()
	defer w.Unlock()
	status := Status{
		Reachable:   w.reachable,
		LastError:   w.lastError,
		LastErrorAt: w.lastErrorAt,
		RowsFlushed: w.rows.Get(),
		Flushes:     w.flushes.Get(),
		Errors:      w.errors.Get(),
		Fenced:      w.fenced.Get(),
		Quarantined: w.quarantined.Get(),
		LastFlush:   w.lastFlush,
		Streams:     make([]StreamStatus, 0, len(w.streams)),
	}
	for st, state := range w.streams {
		status.Streams = append(status.Streams, StreamStatus{
			Incarnation: st.Incarnation, Shard: st.Shard, Cursor: state.cursor, Gap: state.gap, Ahead: state.ahead,
		})
	}
	slices.SortFunc(status.Streams, func(a, b StreamStatus) int {
		return cmp.Or(cmp.Compare(a.Incarnation, b.Incarnation), cmp.Compare(a.Shard, b.Shard))
	})
	return status
}

// failed records why a session ended.
func (w *watched) failed(err error) {
	if errors.Is(err, errFenced) || errors.Is(err, errTrimmed) {
		w.fenced.Inc()
		return
	}
	w.errors.Inc()
	w.Lock()
	defer w.Unlock()
	w.lastError, w.lastErrorAt = err.Error(), time.Now()
	if lost(err) {
		w.reachable = false
	}
}
