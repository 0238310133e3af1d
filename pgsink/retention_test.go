package pgsink

import (
	"fmt"
	"testing"
	"time"
)

// Of twelve thousand rows, all that expired longer ago than is kept are deleted, over
// several pages, and no other.
func TestRetentionDeletesWhatExpiredLongAgo(t *testing.T) {
	url := newDatabase(t)
	mustMigrate(t, url)
	execute(t, url, `
		INSERT INTO users (id, segment, expired_segment)
		SELECT 'u' || i % 4000, 's' || i / 4000, now() + (i % 7 - 5) * interval '1 day' - interval '1 hour'
		FROM generate_series(1, 12000) i`)
	const kept = `SELECT count(*) FROM users WHERE expired_segment >= now() - interval '2 days'`
	const old = `SELECT count(*) FROM users WHERE expired_segment < now() - interval '2 days'`
	want := query[int64](t, url, kept)
	gone := query[int64](t, url, old)
	if want == 0 || gone < 5000 {
		t.Fatalf("%d rows to keep and %d to delete: too few to tell", want, gone)
	}
	o := impatient(t)
	o.Retention, o.RetentionPause = 48*time.Hour, time.Microsecond
	s := mustOpen(t, url, o)
	deleted, err := s.retainOnce(soon(t), o.RetentionPause)
	if err != nil || deleted != gone {
		t.Errorf("%d rows are deleted (%v), want %d", deleted, err, gone)
	}
	if left := query[int64](t, url, kept); left != want {
		t.Errorf("%d rows are left that are to be kept, want %d", left, want)
	}
	if left := query[int64](t, url, old); left != 0 {
		t.Errorf("%d rows are left that expired long ago", left)
	}
	if deleted, err := s.retainOnce(soon(t), o.RetentionPause); err != nil || deleted != 0 {
		t.Errorf("a second pass deletes %d: %v", deleted, err)
	}
}

// Retention runs on the leader of one shard, beside its flushes, and never takes what is
// renewed.
func TestRetentionBesideFlushes(t *testing.T) {
	url := newDatabase(t)
	o := impatient(t)
	o.Retention, o.RetentionPause, o.RetentionEvery = time.Second, time.Microsecond, time.Microsecond
	s := mustOpen(t, url, o)
	outbox, model := newLog(1), memberships{}
	stop := lead(t, s, Stream{"2f6c", 0}, outbox)
	ahead := time.Now().Add(time.Hour).Unix()
	for i := range 3_000 {
		user := fmt.Sprintf("u%d", i%100)
		rows := []Row{put(user, "s", 1_000+int64(i))} // expired for decades
		if i >= 2_900 {
			rows = []Row{put(user, "s", ahead)}
		}
		model.apply(rows)
		outbox.append(rows...)
	}
	eventually(t, "the outbox drained", outbox.isDrained)
	stop()
	requireEqual(t, usersTable(t, url), model)

	other, late := mustOpen(t, url, o), newLog(2)
	stop = lead(t, other, Stream{"2f6c", 1}, late)
	late.append(put("old", "s", 1))
	eventually(t, "the outbox drained", late.isDrained)
	stop()
	if n := query[int64](t, url, `SELECT count(*) FROM users WHERE id = 'old'`); n != 1 {
		t.Error("the leader of another shard deletes too")
	}
}
