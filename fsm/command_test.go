package fsm_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"reflect"
	"strings"
	"testing"

	"headcount/fsm"
)

func TestCheckBatchAcceptsWhatAppendBatchWrote(t *testing.T) {
	for _, b := range []batch{
		{"node-1", 0, 0, nil},
		{"node-1", 3, 4, []fsm.Record{put("ann", "RU", noon), remove("bob", "RU"), erase("cid"), put("dot", "RU", 0), put("eve", "RU", 1<<62)}},
		{strings.Repeat("n", fsm.OriginBytesMax), math.MaxUint64, math.MaxUint64, []fsm.Record{erase(strings.Repeat("x", fsm.NameBytesMax))}},
	} {
		got, err := fsm.CheckBatch(b.encode())
		want := fsm.Batch{Origin: b.origin, Epoch: b.epoch, Sequence: b.sequence, Count: len(b.records), Records: encodeRecords(b.records)}
		if err != nil || !bytes.Equal(got.Records, want.Records) {
			t.Errorf("%v: %+v, %v", b, got, err)
		}
		got.Records, want.Records = nil, nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%v: %+v, want %+v", b, got, want)
		}
	}
}

func TestCheckBatchRefuses(t *testing.T) {
	record := encodeRecords([]fsm.Record{put("ann", "RU", noon)})
	whole := func(b fsm.Batch) []byte {
		if b.Origin == "" {
			b.Origin = "node-1"
		}
		return fsm.AppendBatch(nil, b)
	}
	valid := whole(fsm.Batch{Count: 1, Records: record})
	if _, err := fsm.CheckBatch(valid); err != nil {
		t.Fatalf("the batch that the others differ from: %v", err)
	}
	const batchBytesMax = 16 << 20
	tooLarge := bytes.Repeat(record, batchBytesMax/len(record)+1)
	for what, data := range map[string][]byte{
		"no bytes":           nil,
		"no origin":          fsm.AppendBatch(nil, fsm.Batch{Count: 1, Records: record}),
		"a long origin":      whole(fsm.Batch{Origin: strings.Repeat("n", fsm.OriginBytesMax+1), Count: 1, Records: record}),
		"a count too low":    whole(fsm.Batch{Count: 0, Records: record}),
		"a count too high":   whole(fsm.Batch{Count: 2, Records: record}),
		"a negative count":   whole(fsm.Batch{Count: -1, Records: record}),
		"an absurd count":    whole(fsm.Batch{Count: math.MaxInt64, Records: record}),
		"bytes after it":     append(valid[:len(valid):len(valid)], 0),
		"cut short":          valid[:len(valid)-1],
		"more than an entry": whole(fsm.Batch{Count: len(tooLarge) / len(record), Records: tooLarge}),
		"no op":              whole(fsm.Batch{Count: 1, Records: []byte{0, 1, 'a'}}),
		"an unknown op":      whole(fsm.Batch{Count: 1, Records: []byte{4, 1, 'a'}}),
		"an empty user ID":   whole(fsm.Batch{Count: 1, Records: encodeRecords([]fsm.Record{erase("")})}),
		"an empty segment":   whole(fsm.Batch{Count: 1, Records: encodeRecords([]fsm.Record{put("ann", "", noon)})}),
		"a long user ID":     whole(fsm.Batch{Count: 1, Records: encodeRecords([]fsm.Record{erase(strings.Repeat("x", fsm.NameBytesMax+1))})}),
		"a long segment":     whole(fsm.Batch{Count: 1, Records: encodeRecords([]fsm.Record{remove("ann", strings.Repeat("x", fsm.NameBytesMax+1))})}),
		"a negative expiry":  whole(fsm.Batch{Count: 1, Records: encodeRecords([]fsm.Record{put("ann", "RU", -1)})}),
		"a distant expiry":   whole(fsm.Batch{Count: 1, Records: encodeRecords([]fsm.Record{put("ann", "RU", 1<<62+1)})}),
	} {
		if b, err := fsm.CheckBatch(data); err == nil {
			t.Errorf("%s: accepted as a batch of %d records", what, b.Count)
		}
	}
}

// The log outlives the program that wrote it: these bytes must not change.
func TestEntriesAreEncodedAsEver(t *testing.T) {
	for _, c := range []struct {
		e    entry
		want string
	}{
		{tick{Now: 300, Scheduled: 299}, "0102" + "ac02" + "ab02"},
		{tick{Now: -5, Scheduled: -5}, "0102" + "00" + "00"},
		{ack(300), "0103" + "ac02"},
		{settings{1, 2, 300, 4, 0, 0}, "0104" + "01" + "02" + "ac02" + "04"},
		{settings{1, 2, 300, 4, 300, 0}, "0104" + "01" + "02" + "ac02" + "04" + "ac02"},
		{settings{1, 2, 300, 4, 0, 300}, "0104" + "01" + "02" + "ac02" + "04" + "00" + "ac02"},
		{batches{now: 300}, "0101" + "ac02"},
		{batches{now: -300}, "0101" + "00"},
		{
			batches{300, []batch{
				{"n1", 2, 300, []fsm.Record{put("ann", "RU", 300), remove("ann", "RU"), erase("ann")}},
				{"n2", 0, 1, nil},
			}},
			"0101" + "ac02" +
				"026e31" + "02" + "ac02" + "03" + "17" +
				"01" + "ac02" + "03616e6e" + "025255" +
				"02" + "03616e6e" + "025255" +
				"03" + "03616e6e" +
				"026e32" + "00" + "01" + "00" + "00",
		},
	} {
		if got := hex.EncodeToString(c.e.encode()); got != c.want {
			t.Errorf("%T%v is encoded as %s, was %s", c.e, c.e, got, c.want)
		}
	}
}
