package pgsink

import (
	"fmt"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/jackc/pgx/v5/pgxpool"
)

// watched is what a Sink lets others see: metrics, which count for themselves, and under
// the lock what the status adds to them.
type watched struct {
	set         *metrics.Set
	rows        *metrics.Counter
	flushes     *metrics.Counter
	errors      *metrics.Counter
	fenced      *metrics.Counter
	quarantined *metrics.Counter
	gaps        *metrics.Counter
	refills     *metrics.Counter
	setBacks    *metrics.Counter
	retired     *metrics.Counter
	acks        *metrics.Counter
	ackErrors   *metrics.Counter
	took        *metrics.FloatCounter // seconds spent in flushes; divided by flushes: their duration

	sync.Mutex
	reachable   bool
	lastError   string
	lastErrorAt time.Time
	lastFlush   time.Time
	streams     map[Stream]*streamState // one for each shard this node has led
}

type streamState struct {
	cursor uint64
	gap    *Gap // replaced, never changed: a Status may hold it
	ahead  *Gap // likewise
}

func (w *watched) init(pool *pgxpool.Pool) {
	w.set = metrics.NewSet()
	w.rows = w.set.NewCounter("headcount_postgres_rows_flushed_total")
	w.flushes = w.set.NewCounter("headcount_postgres_flushes_total")
	w.errors = w.set.NewCounter("headcount_postgres_errors_total")
	w.fenced = w.set.NewCounter("headcount_postgres_fenced_total")
	w.quarantined = w.set.NewCounter("headcount_postgres_quarantined_rows_total")
	w.gaps = w.set.NewCounter("headcount_postgres_gaps_total")
	w.refills = w.set.NewCounter("headcount_postgres_refills_total")
	w.setBacks = w.set.NewCounter("headcount_postgres_cluster_set_back_total")
	w.retired = w.set.NewCounter("headcount_postgres_retention_rows_deleted_total")
	w.acks = w.set.NewCounter("headcount_postgres_acks_total")
	w.ackErrors = w.set.NewCounter("headcount_postgres_ack_errors_total")
	w.took = w.set.NewFloatCounter("headcount_postgres_flush_seconds_total")
	w.streams = make(map[Stream]*streamState)
	w.set.NewGauge("headcount_postgres_reachable", func() float64 {
		w.Lock()
		defer w.Unlock()
		if w.reachable {
			return 1
		}
		return 0
	})
	w.set.NewGauge("headcount_postgres_last_flush_timestamp_seconds", func() float64 {
		w.Lock()
		defer w.Unlock()
		if w.lastFlush.IsZero() {
			return 0
		}
		return float64(w.lastFlush.UnixMilli()) / 1e3
	})
	w.set.NewGauge("headcount_postgres_connections", func() float64 { return float64(pool.Stat().TotalConns()) })
	w.set.NewGauge("headcount_postgres_connections_max", func() float64 { return float64(pool.Stat().MaxConns()) })
}

// stream returns the state of a stream; the caller holds the lock.
func (w *watched) stream(st Stream) *streamState {
	state, ok := w.streams[st]
	if !ok {
		state = &streamState{}
		w.streams[st] = state
		w.set.GetOrCreateGauge(fmt.Sprintf("headcount_postgres_cursor{shard=\"%d\"}", st.Shard), func() float64 {
			w.Lock()
			defer w.Unlock()
			return float64(state.cursor)
		})
	}
	return state
}

// reached records an answer from PostgreSQL that said where the cursor is.
func (w *watched) reached(st Stream, cursor uint64) {
	w.Lock()
	defer w.Unlock()
	w.reachable = true
	w.stream(st).cursor = cursor
}

func (w *watched) flushed(st Stream, batch Batch, refused int, took time.Duration) {
	w.took.Add(took.Seconds())
	w.rows.Add(max(0, len(batch.Rows)-refused))
	w.flushes.Inc()
	w.quarantined.Add(refused)
	w.Lock()
	defer w.Unlock()
	w.reachable = true
	w.lastFlush = time.Now()
	w.stream(st).cursor = batch.Index
}

func (w *watched) gap(st Stream, gap Gap) {
	w.gaps.Inc()
	w.Lock()
	defer w.Unlock()
	state := w.stream(st)
	state.gap = state.gap.with(gap)
}

func (w *watched) ahead(st Stream, ahead Gap) {
	w.setBacks.Inc()
	w.Lock()
	defer w.Unlock()
	state := w.stream(st)
	state.ahead = state.ahead.with(ahead)
}

// with returns a gap that has both; g may be nil.
func (g *Gap) with(other Gap) *Gap {
	if g != nil {
		other = Gap{From: min(g.From, other.From), To: max(g.To, other.To)}
	}
	return &other
}
