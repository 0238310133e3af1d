package pgsink

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"headcount/pglocal"
)

// shared is the PostgreSQL of all tests that do not kill theirs.
var shared *pglocal.Server

func TestMain(m *testing.M) {
	os.Exit(withPostgres(m))
}

func withPostgres(m *testing.M) int {
	dir, err := reachableDir()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	shared, err = pglocal.Start(context.Background(), pglocal.Options{Dir: filepath.Join(dir, "postgres")})
	if err != nil {
		fmt.Fprintf(os.Stderr, "these tests need a real PostgreSQL: %v\n", err)
		return 1
	}
	defer shared.Stop()
	return m.Run()
}

// reachableDir makes a directory that PostgreSQL's user can reach too.
func reachableDir() (string, error) {
	dir, err := os.MkdirTemp("", "pgsink-test-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

const testMax = 60 * time.Second // for whatever a test waits for

func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testMax)
	t.Cleanup(cancel)
	return ctx
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(testMax)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", testMax, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

var databases atomic.Int64

// newDatabase makes an empty database on the shared server and returns its URL.
func newDatabase(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	execute(t, shared.URL(), "CREATE DATABASE "+name)
	u, err := url.Parse(shared.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.Path = name
	return u.String()
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(soon(t), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func execute(t testing.TB, url, sql string, arguments ...any) {
	t.Helper()
	conn := connect(t, url)
	if _, err := conn.Exec(soon(t), sql, arguments...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	_ = conn.Close(context.Background())
}

func query[T any](t testing.TB, url, sql string, arguments ...any) (value T) {
	t.Helper()
	conn := connect(t, url)
	if err := conn.QueryRow(soon(t), sql, arguments...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	_ = conn.Close(context.Background())
	return value
}

func mustMigrate(t testing.TB, url string) {
	t.Helper()
	if err := MigrateUp(soon(t), url); err != nil {
		t.Fatal(err)
	}
}

// membership is a key of the model; its value is the expiry in Unix seconds.
type membership struct{ id, segment string }

// memberships is the model: what PostgreSQL must hold.
type memberships map[membership]int64

func (m memberships) apply(rows []Row) {
	for _, row := range rows {
		key := membership{row.ID, row.Segment}
		switch row.Op {
		case OpPut:
			if held, ok := m[key]; !ok || row.Expiry > held {
				m[key] = row.Expiry
			}
		case OpDelete:
			delete(m, key)
		case OpErase:
			maps.DeleteFunc(m, func(k membership, _ int64) bool { return k.id == row.ID })
		}
	}
}

// usersTable reads what PostgreSQL holds, to the second; a fraction fails the test.
func usersTable(t *testing.T, url string) memberships {
	t.Helper()
	rows, err := connect(t, url).Query(soon(t), `SELECT id, segment, extract(epoch FROM expired_segment)::text FROM users`)
	if err != nil {
		t.Fatal(err)
	}
	held := memberships{}
	var id, segment, expiry string
	_, err = pgx.ForEachRow(rows, []any{&id, &segment, &expiry}, func() error {
		var seconds int64
		whole, fraction, _ := strings.Cut(expiry, ".")
		if _, err := fmt.Sscan(whole, &seconds); err != nil {
			return err
		}
		if strings.Trim(fraction, "0") != "" {
			return fmt.Errorf("expiry %s is not whole seconds", expiry)
		}
		held[membership{id, segment}] = seconds
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func requireEqual(t *testing.T, got, want memberships) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	for key, expiry := range want {
		if held, ok := got[key]; !ok || held != expiry {
			t.Errorf("%v: PostgreSQL has %d (%v), want %d", key, held, ok, expiry)
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("%v: PostgreSQL has it, and should not", key)
		}
	}
	t.FailNow()
}

func cursorOf(t *testing.T, url string, st Stream) uint64 {
	t.Helper()
	return uint64(query[int64](t, url, `SELECT index FROM headcount_cursor WHERE incarnation = $1 AND shard = $2`, st.Incarnation, int32(st.Shard)))
}

type entry struct {
	index uint64
	rows  []Row
}

// log is a shard's outbox in memory, as every replica would have it: trimmed by the
// acknowledgement, cut into batches at random.
type log struct {
	ackHook    func(ctx context.Context, index uint64) error // nil, or runs before an acknowledgement takes effect
	entriesMax int                                           // in one batch; 0: drawn each time

	mu      sync.Mutex
	entries []entry
	last    uint64
	acked   uint64
	acks    int
	acking  int // Ack calls under way
	changed chan struct{}
	draw    *rand.Rand
}

func newLog(seed uint64) *log {
	return &log{changed: make(chan struct{}), draw: rand.New(rand.NewPCG(seed, seed))}
}

// append adds an entry; like in a Raft log, indexes may be left out.
func (l *log) append(rows ...Row) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last += 1 + uint64(l.draw.IntN(3))
	l.entries = append(l.entries, entry{l.last, rows})
	close(l.changed)
	l.changed = make(chan struct{})
	return l.last
}

func (l *log) Next(ctx context.Context, after uint64, rowsMax int) (Batch, error) {
	for {
		l.mu.Lock()
		batch, changed := l.cut(after, rowsMax), l.changed
		l.mu.Unlock()
		if batch.Index > 0 {
			return batch, nil
		}
		select {
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		case <-changed:
		}
	}
}

func (l *log) cut(after uint64, rowsMax int) (b Batch) {
	entriesMax := l.entriesMax
	if entriesMax == 0 {
		entriesMax = 1 + l.draw.IntN(8)
	}
	for _, e := range l.entries {
		if e.index <= after {
			continue
		}
		if entriesMax--; entriesMax < 0 || b.Index > 0 && len(b.Rows)+len(e.rows) > rowsMax {
			break
		}
		b.Rows = append(b.Rows, e.rows...)
		b.Index = e.index
	}
	return b
}

func (l *log) Acked() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked
}

func (l *log) Ack(ctx context.Context, index uint64) error {
	l.mu.Lock()
	l.acking++
	l.mu.Unlock()
	var err error
	if l.ackHook != nil {
		err = l.ackHook(ctx, index)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acking--
	l.acks++
	if err != nil {
		return err
	}
	l.trim(index)
	return nil
}

func (l *log) trim(index uint64) {
	l.acked = max(l.acked, index)
	l.entries = slices.DeleteFunc(l.entries, func(e entry) bool { return e.index <= l.acked })
}

func (l *log) length() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

func (l *log) isDrained() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked == l.last
}

var testStream = Stream{Incarnation: "2f6c", Shard: 3}

// impatient options: tests break things and want to see them mended.
func impatient(t *testing.T) Options {
	return Options{
		Logger:      slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		AckInterval: 5 * time.Millisecond,
		BackoffMin:  2 * time.Millisecond,
		BackoffMax:  50 * time.Millisecond,
	}
}

func mustOpen(t testing.TB, url string, o Options) *Sink {
	t.Helper()
	s, err := Open(url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// lead runs the Sink on the stream, as a leader does, until the returned stop.
func lead(t *testing.T, s *Sink, st Stream, ob Outbox) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx, st, ob); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	return stop
}

// randomRows draws from few names, so that rows meet.
func randomRows(draw *rand.Rand, count int) []Row {
	rows := make([]Row, count)
	for i := range rows {
		rows[i] = Row{ID: fmt.Sprintf("user-%d", draw.IntN(12)), Segment: fmt.Sprintf("сегмент-%d", draw.IntN(4))}
		switch p := draw.IntN(20); {
		case p == 0:
			rows[i].Op, rows[i].Segment = OpErase, ""
		case p < 5:
			rows[i].Op = OpDelete
		default:
			rows[i].Op, rows[i].Expiry = OpPut, 1_700_000_000+draw.Int64N(1000)
		}
	}
	return rows
}

func put(id, segment string, expiry int64) Row {
	return Row{Op: OpPut, ID: id, Segment: segment, Expiry: expiry}
}
func end(id, segment string) Row { return Row{Op: OpDelete, ID: id, Segment: segment} }
func erase(id string) Row        { return Row{Op: OpErase, ID: id} }

func sortedKeys(m memberships) []membership {
	return slices.SortedFunc(maps.Keys(m), func(a, b membership) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.segment, b.segment))
	})
}
