package node

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"headcount/fsm"
)

func TestOutcomesTravelWithTheirMeaning(t *testing.T) {
	applied := delivery{index: 7, statuses: []fsm.Status{fsm.Created, fsm.Expired, fsm.Unchanged}}
	got, err := parseOutcome(appendOutcome(nil, applied, nil), 3)
	if err != nil || !reflect.DeepEqual(got, applied) {
		t.Errorf("applied: %+v, %v", got, err)
	}
	if _, err := parseOutcome(appendOutcome(nil, applied, nil), 2); err == nil {
		t.Error("three statuses for two records were taken")
	}
	for _, c := range []struct {
		name        string
		sent        error
		notProposed bool
		refused     *NotApplied
	}{
		{name: "not proposed", sent: notProposed("no leader"), notProposed: true},
		{name: "refused", sent: &NotApplied{Reason: "no", RetryAfter: 2 * time.Second}, refused: &NotApplied{Reason: "no", RetryAfter: 2 * time.Second}},
		{name: "outbox full", sent: outboxFull(), refused: outboxFull().(*NotApplied)},
		{name: "open", sent: errors.New("leadership lost")},
	} {
		_, err := parseOutcome(appendOutcome(nil, delivery{}, c.sent), 1)
		var refused *NotApplied
		errors.As(err, &refused)
		if err == nil || errors.Is(err, errNotProposed) != c.notProposed || !reflect.DeepEqual(refused, c.refused) {
			t.Errorf("%s arrives as %v", c.name, err)
		}
	}
}

func FuzzForward(f *testing.F) {
	b := fsm.Batch{Origin: "n1", Epoch: 1, Sequence: 2, Count: 1, Records: fsm.AppendRecord(nil, put("u", "s", nextWeek))}
	f.Add(appendForward(nil, 3, b))
	f.Fuzz(func(t *testing.T, data []byte) {
		shard, b, err := parseForward(data)
		if err != nil {
			return
		}
		again, c, err := parseForward(appendForward(nil, shard, b))
		if err != nil || again != shard || c.Origin != b.Origin || !bytes.Equal(c.Records, b.Records) || c.Count != b.Count {
			t.Errorf("%+v became %+v, %v", b, c, err)
		}
	})
}

func FuzzOutcome(f *testing.F) {
	f.Add(appendOutcome(nil, delivery{index: 9, statuses: []fsm.Status{1}}, nil), 1)
	f.Add(appendOutcome(nil, delivery{}, outboxFull()), 1)
	f.Fuzz(func(t *testing.T, data []byte, count int) {
		d, err := parseOutcome(data, count)
		if err == nil && len(d.statuses) != count {
			t.Errorf("%d statuses for %d records", len(d.statuses), count)
		}
	})
}
