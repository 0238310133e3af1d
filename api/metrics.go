package api

import (
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// statuses are the HTTP statuses that are counted each for itself: ours, and those
// that a middleware may add. The most frequent come first.
var statuses = [...]int{
	200, 201, 503, 400, 404, 504, 415, 422, 413, 405, 408, 409, 431, 500, 401, 403, 429,
}

// durationBounds are the upper bounds of the duration buckets.
var durationBounds = [...]time.Duration{
	500 * time.Microsecond, time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
	250 * time.Millisecond, time.Second, 5 * time.Second,
}

// serverMetrics are the metrics of one server, in a set of their own. All methods
// may be called from many goroutines at once.
type serverMetrics struct {
	set      *metrics.Set
	routes   []route
	inFlight atomic.Int64
	panics   *metrics.Counter

	// Made when first needed, so that a scrape lists what has happened only.
	// The last column is for a status that statuses does not know.
	requests  [][len(statuses) + 1]atomic.Pointer[metrics.Counter] // by route number
	durations []durations                                          // by route number
}

// durations is a histogram in the form that Prometheus reads.
type durations struct {
	buckets [len(durationBounds) + 1]atomic.Uint64 // not yet summed up; the last has no bound
	nanos   atomic.Uint64
}

func newServerMetrics(routes []route, connections, rejected func() float64) *serverMetrics {
	m := &serverMetrics{
		set:       metrics.NewSet(),
		routes:    routes,
		requests:  make([][len(statuses) + 1]atomic.Pointer[metrics.Counter], len(routes)),
		durations: make([]durations, len(routes)),
	}
	m.panics = m.set.NewCounter("headcount_http_panics_total")
	m.set.NewGauge("headcount_http_requests_in_flight", func() float64 { return float64(m.inFlight.Load()) })
	m.set.NewGauge("headcount_http_connections", connections)
	m.set.NewGauge("headcount_http_connections_rejected_total", rejected)
	m.set.RegisterMetricsWriter(m.writeDurations)
	return m
}

// observe counts one request.
func (m *serverMetrics) observe(r *route, status int, took time.Duration) {
	m.count(r, status)
	d := &m.durations[r.number]
	bucket := 0
	for bucket < len(durationBounds) && took > durationBounds[bucket] {
		bucket++
	}
	d.buckets[bucket].Add(1)
	d.nanos.Add(uint64(max(took, 0)))
}

func (m *serverMetrics) count(r *route, status int) {
	column := 0
	for column < len(statuses) && statuses[column] != status {
		column++
	}
	counter := m.requests[r.number][column].Load()
	if counter == nil {
		code := "other"
		if column < len(statuses) {
			code = strconv.Itoa(status)
		}
		counter = m.set.GetOrCreateCounter(fmt.Sprintf("headcount_http_requests_total{%s,code=%q}", r.labels(), code))
		m.requests[r.number][column].Store(counter)
	}
	counter.Inc()
}

func (r *route) labels() string {
	return fmt.Sprintf("method=%q,route=%q", r.method, r.pattern)
}

func (m *serverMetrics) write(w io.Writer) { m.set.WritePrometheus(w) }

func (m *serverMetrics) writeDurations(w io.Writer) {
	const name = "headcount_http_request_duration_seconds"
	for i := range m.durations {
		d, labels, total := &m.durations[i], m.routes[i].labels(), uint64(0)
		var sums [len(durationBounds) + 1]uint64
		for b := range d.buckets {
			total += d.buckets[b].Load()
			sums[b] = total
		}
		if total == 0 {
			continue
		}
		for b, bound := range durationBounds {
			fmt.Fprintf(w, "%s_bucket{%s,le=\"%g\"} %d\n", name, labels, bound.Seconds(), sums[b])
		}
		fmt.Fprintf(w, "%s_bucket{%s,le=\"+Inf\"} %d\n", name, labels, total)
		fmt.Fprintf(w, "%s_sum{%s} %g\n", name, labels, float64(d.nanos.Load())/1e9)
		fmt.Fprintf(w, "%s_count{%s} %d\n", name, labels, total)
	}
}
