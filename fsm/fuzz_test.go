package fsm_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"headcount/fsm"
)

// What a peer sends is refused, or it is a batch that can be applied, logged and
// forwarded again.
func FuzzCheckBatch(f *testing.F) {
	for _, b := range []batch{
		{"node-1", 1, 1, []fsm.Record{put("ann", "RU", noon+minute), remove("ann", "RU"), erase("ann")}},
		{"node-2", 1<<64 - 1, 0, nil},
		{"n", 0, 300, []fsm.Record{put("ann", "RU", 1<<62), put("é", "RU", 0)}},
	} {
		f.Add(b.encode())
	}
	f.Add(fsm.AppendBatch(nil, fsm.Batch{Origin: "node-1", Count: 2, Records: encodeRecords([]fsm.Record{erase("a")})}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		given := slices.Clone(data)
		b, err := fsm.CheckBatch(data)
		if !bytes.Equal(data, given) {
			t.Fatal("CheckBatch wrote to what it was given")
		}
		if err != nil {
			return
		}
		again, err := fsm.CheckBatch(fsm.AppendBatch(nil, b))
		if err != nil || !reflect.DeepEqual(again, b) {
			t.Fatalf("%+v is encoded and decoded as %+v, %v", b, again, err)
		}
		s := newShard(t)
		s.index++
		result := s.apply(s.index, append(fsm.AppendBatchHeader(nil, noon), data...)).(fsm.Result)
		if len(result.Batches) != 1 || result.Batches[0].Verdict != fsm.Applied || len(result.Batches[0].Statuses) != b.Count {
			t.Fatalf("a batch of %d records returned %+v", b.Count, result)
		}
		joined := newReplica(shardConfig)
		if err := restore(joined.Machine, snapshotOf(t, s.Machine)); err != nil || joined.Stats() != s.Stats() {
			t.Fatalf("a machine that applied it is not restored: %v", err)
		}
	})
}

// Records that decode have one meaning: encoded again they decode the same.
func FuzzNextRecord(f *testing.F) {
	f.Add(encodeRecords([]fsm.Record{put("ann", "RU", noon), remove("bob", "RU"), erase("cid")}))
	f.Add(encodeRecords([]fsm.Record{put("ann", "RU", 1<<62), put("ann", "RU", 0)}))
	f.Add([]byte{1, 0x80, 0, 1, 'a', 1, 'b'}) // a zero of two bytes
	f.Fuzz(func(t *testing.T, data []byte) {
		for len(data) > 0 {
			r, rest, err := fsm.NextRecord(data)
			if err != nil {
				return
			}
			if len(rest) >= len(data) || !bytes.HasSuffix(data, rest) {
				t.Fatalf("%d of %d bytes are left", len(rest), len(data))
			}
			encoded := fsm.AppendRecord(nil, r)
			again, more, err := fsm.NextRecord(encoded)
			if err != nil || len(more) != 0 || requestOf(again) != requestOf(r) {
				t.Fatalf("%+v is encoded as %x, which is %+v and %d bytes, %v", r, encoded, again, len(more), err)
			}
			if len(encoded) > len(data)-len(rest) {
				t.Fatalf("%x is encoded longer: %x", data[:len(data)-len(rest)], encoded)
			}
			data = rest
		}
	})
}

// Arbitrary bytes, as they are and with checksums that fit, are refused with the
// machine as it was, or restored to a state that goes on.
func FuzzRestore(f *testing.F) {
	small := newShard(f)
	small.write(noon, put("ann", "RU", noon+minute))
	for _, m := range []*fsm.Machine{newReplica(shardConfig).Machine, small.Machine, busyShard(f).Machine} {
		data := snapshotOf(f, m)
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Add([]byte("E\xff\xff\xff\x03"))
	f.Fuzz(func(t *testing.T, data []byte) {
		sealed := splitFrames(data)
		seal(sealed)
		for _, data := range [][]byte{data, joinFrames(sealed)} {
			s := newShard(t)
			s.write(noon, put("ann", "news", noon+minute))
			before := s.Stats()
			if err := restore(s.Machine, data); err != nil {
				if !errors.Is(err, fsm.ErrSnapshot) || s.Stats() != before {
					t.Fatalf("refused with %v, and the machine was %+v, is %+v", err, before, s.Stats())
				}
				continue
			}
			goOn(t, s)
		}
	})
}

// goOn checks that a restored machine works.
func goOn(t *testing.T, s *shard) {
	s.index = s.Index()
	if s.index > 1<<63 {
		return // beyond any log
	}
	s.send(noon, batch{"node-x", 1, 1, []fsm.Record{erase("ann"), put("ann", "RU", noon+9*minute)}})
	s.tick(noon, noon+minute)
	s.propose(ack(s.index))
	s.counts(noon)
	joined := newReplica(shardConfig)
	if err := restore(joined.Machine, snapshotOf(t, s.Machine)); err != nil || joined.Stats() != s.Stats() {
		t.Fatalf("a restored machine is not restored again: %v\ngot  %+v\nwant %+v", err, joined.Stats(), s.Stats())
	}
}

func FuzzOperations(f *testing.F) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 1))
		data := make([]byte, 100+100*seed)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const bytesMax = 2_000 // a few hundred steps
		draw := &byteDraws{data[:min(len(data), bytesMax)]}
		tr := newTrial(t, draw)
		tr.stepSettings()
		for len(draw.data) > 0 {
			tr.step()
		}
		tr.finish()
	})
}
