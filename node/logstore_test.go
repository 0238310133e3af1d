package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

func openTestStore(t *testing.T, dir string, kind LogStoreKind) *logStore {
	t.Helper()
	s, err := openLogStore(dir, kind, hclog.NewNullLogger(), func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeStore(t *testing.T, s *logStore) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func appendEntries(t *testing.T, s *logStore, from, to uint64) {
	t.Helper()
	for i := from; i <= to; i++ {
		l := &raft.Log{Index: i, Term: 1 + i/10, Type: raft.LogCommand, Data: fmt.Appendf(nil, "entry %d", i)}
		if err := s.StoreLog(l); err != nil {
			t.Fatal(err)
		}
	}
}

func wantEntries(t *testing.T, s *logStore, from, to uint64) {
	t.Helper()
	first, last, err := bounds(s)
	if err != nil || first != from || last != to {
		t.Fatalf("the log holds %d to %d (%v), want %d to %d", first, last, err, from, to)
	}
	for i := from; i <= to; i++ {
		var l raft.Log
		if err := s.GetLog(i, &l); err != nil || string(l.Data) != fmt.Sprintf("entry %d", i) || l.Term != 1+i/10 {
			t.Fatalf("entry %d is %q of term %d, %v", i, l.Data, l.Term, err)
		}
	}
}

func TestLogMovesWhenTheSettingChanges(t *testing.T) {
	dir := t.TempDir()
	at := uint64(0)
	for _, kind := range []LogStoreKind{LogInBolt, LogInWAL, LogInWAL, LogInBolt, LogInBolt, LogInWAL} {
		s := openTestStore(t, dir, kind)
		if at > 0 {
			wantEntries(t, s, 1, at)
			if term, err := s.GetUint64([]byte("CurrentTerm")); term != at || err != nil {
				t.Errorf("the term is %d, %v; want %d", term, err, at)
			}
		}
		appendEntries(t, s, at+1, at+20)
		at += 20
		if err := s.SetUint64([]byte("CurrentTerm"), at); err != nil {
			t.Fatal(err)
		}
		if _, monotonic := any(s).(raft.MonotonicLogStore); !monotonic || s.IsMonotonic() != (kind == LogInWAL) {
			t.Errorf("%s: monotonic %v", kind, s.IsMonotonic())
		}
		closeStore(t, s)
	}
}

// A process may end at any step of a move: what decides is the word in the bbolt file.
func TestUnfinishedMoveOfTheLogBeginsAnew(t *testing.T) {
	dir := t.TempDir()
	s := openTestStore(t, dir, LogInBolt)
	appendEntries(t, s, 1, 30)
	closeStore(t, s)

	// A copy to the wal that was not finished.
	w, err := func() (*walLog, error) {
		if err := os.Mkdir(filepath.Join(dir, "wal"), 0o700); err != nil {
			return nil, err
		}
		return openWAL(filepath.Join(dir, "wal"), hclog.NewNullLogger())
	}()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.StoreLogs([]*raft.Log{{Index: 1, Data: []byte("half")}}), w.close()); err != nil {
		t.Fatal(err)
	}
	s = openTestStore(t, dir, LogInWAL)
	wantEntries(t, s, 1, 30)
	appendEntries(t, s, 31, 40)

	// Entries that the bbolt file kept because the process ended before it let them go.
	if err := s.stable.StoreLog(&raft.Log{Index: 1, Data: []byte("left over")}); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	s = openTestStore(t, dir, LogInBolt)
	wantEntries(t, s, 1, 40)
	closeStore(t, s)
	if _, err := os.Stat(filepath.Join(dir, "wal")); !os.IsNotExist(err) {
		t.Errorf("the directory of the wal is still there: %v", err)
	}
}

func TestLostLogIsNotTakenForAnEmptyOne(t *testing.T) {
	dir := t.TempDir()
	s := openTestStore(t, dir, LogInWAL)
	appendEntries(t, s, 1, 3)
	closeStore(t, s)
	if err := os.RemoveAll(filepath.Join(dir, "wal")); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []LogStoreKind{LogInWAL, LogInBolt} {
		_, err := openLogStore(dir, kind, hclog.NewNullLogger(), func(err error) { t.Error(err) })
		if err == nil || !strings.Contains(err.Error(), "is gone") {
			t.Errorf("as %s it opens: %v", kind, err)
		}
	}
}

// Raft goes on behind a snapshot that it installed: with a bbolt log there is then a
// gap, with a wal what lies before it goes.
func TestLogGoesOnBehindASnapshot(t *testing.T) {
	dir := t.TempDir()
	s := openTestStore(t, dir, LogInBolt)
	appendEntries(t, s, 1, 5)
	appendEntries(t, s, 100, 120)
	closeStore(t, s)

	s = openTestStore(t, dir, LogInWAL)
	wantEntries(t, s, 100, 120)
	appendEntries(t, s, 500, 510)
	wantEntries(t, s, 500, 510)
	if err := s.DeleteRange(508, 510); err != nil { // a suffix that another leader did not have
		t.Fatal(err)
	}
	appendEntries(t, s, 508, 509)
	if err := s.DeleteRange(500, 503); err != nil { // what a snapshot covers
		t.Fatal(err)
	}
	for _, index := range []uint64{1, 120, 503, 510} {
		if err := s.GetLog(index, new(raft.Log)); !errors.Is(err, raft.ErrLogNotFound) {
			t.Errorf("entry %d, which was cut off: %v", index, err)
		}
	}
	closeStore(t, s)
	s = openTestStore(t, dir, LogInWAL)
	wantEntries(t, s, 504, 509)
	closeStore(t, s)
}

func TestLogKeepsItsSegmentsFew(t *testing.T) {
	dir := t.TempDir()
	s := openTestStore(t, dir, LogInWAL)
	defer closeStore(t, s)
	data := make([]byte, 256<<10)
	const entries = 4 * walSegmentBytes / (256 << 10)
	for i := uint64(1); i <= entries; i++ {
		if err := s.StoreLog(&raft.Log{Index: i, Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteRange(1, entries-1); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "wal", "*.wal"))
	if err != nil || len(files) > 2 {
		t.Errorf("%d segments are left (%v)", len(files), err)
	}
}

// BenchmarkStoreLogs appends entries of 16 KiB, about what 200 memberships take.
func BenchmarkStoreLogs(b *testing.B) {
	for _, kind := range []LogStoreKind{LogInBolt, LogInWAL} {
		b.Run(string(kind), func(b *testing.B) {
			s, err := openLogStore(b.TempDir(), kind, hclog.NewNullLogger(), func(err error) { b.Error(err) })
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			data := make([]byte, 16<<10)
			b.SetBytes(int64(len(data)))
			for i := uint64(1); b.Loop(); i++ {
				if err := s.StoreLog(&raft.Log{Index: i, Data: data}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
