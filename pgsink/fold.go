package pgsink

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// folded is the effect of a batch, at most one erase per ID, one delete and one put per
// key. Done in this order it equals the batch row by row:
//
//	put     the later expiry wins
//	delete  drops the puts before it, and ends the row in the database; so a put after it
//	        makes a new row and is not weighed against the old one
//	erase   drops everything of its ID before it, and ends the rows in the database
type folded struct {
	erases  rows
	deletes rows
	puts    rows
}

// fold computes the effect of a batch. Its rows come out sorted by key, so that
// transactions which meet lock rows in the same order. O(n log n) time, O(n) memory.
func fold(batch []Row) (folded, error) {
	f := folded{erases: rows{op: OpErase}, deletes: rows{op: OpDelete}, puts: rows{op: OpPut}}
	lastErase := make(map[string]int) // by ID: its place in the batch
	for i, row := range batch {
		switch row.Op {
		case OpErase:
			lastErase[row.ID] = i
		case OpPut, OpDelete:
		default:
			return folded{}, fmt.Errorf("%w: a row has the unknown op %d", errOutbox, row.Op)
		}
	}
	for id := range lastErase {
		f.erases.ids = append(f.erases.ids, id)
	}
	slices.Sort(f.erases.ids)

	live := make([]place, 0, len(batch)) // of the puts and deletes that no later erase drops
	for i, row := range batch {
		if at, erased := lastErase[row.ID]; row.Op != OpErase && (!erased || at < i) {
			live = append(live, place{at: int32(i)})
		}
	}
	sortByKey(batch, live)
	f.puts.ids = make([]string, 0, len(live))
	f.puts.segments = make([]string, 0, len(live))
	f.puts.expiries = make([]int64, 0, len(live))
	for begin := 0; begin < len(live); {
		key := &batch[live[begin].at]
		end := begin + 1
		for end < len(live) && batch[live[end].at].ID == key.ID && batch[live[end].at].Segment == key.Segment {
			end++
		}
		f.addKey(batch, live[begin:end])
		begin = end
	}
	return f, nil
}

// place is where a row is in its batch.
type place struct {
	head uint64 // of its ID: eight bytes, by which most are told apart
	at   int32
}

// sortByKey sorts places by their rows' keys, and those of one key in log order.
func sortByKey(batch []Row, places []place) {
	if len(places) == 0 {
		return
	}
	// IDs often begin alike: what counts is what comes after that.
	first := batch[places[0].at].ID
	shared := len(first)
	for _, p := range places {
		id := batch[p.at].ID
		n := 0
		for n < min(shared, len(id)) && id[n] == first[n] {
			n++
		}
		shared = n
	}
	for i := range places {
		var head [8]byte // padded with zeros: it is never more than a longer ID's
		copy(head[:], batch[places[i].at].ID[shared:])
		places[i].head = binary.BigEndian.Uint64(head[:])
	}
	slices.SortFunc(places, func(a, b place) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		x, y := &batch[a.at], &batch[b.at]
		return cmp.Or(cmp.Compare(x.ID, y.ID), cmp.Compare(x.Segment, y.Segment), cmp.Compare(a.at, b.at))
	})
}

// addKey adds the effect of one key's rows, which are in log order.
func (f *folded) addKey(batch []Row, history []place) {
	deleted, put, expiry := false, false, int64(0)
	for _, p := range history {
		row := &batch[p.at]
		switch {
		case row.Op == OpDelete:
			deleted, put = true, false
		case !put:
			put, expiry = true, row.Expiry
		default:
			expiry = max(expiry, row.Expiry)
		}
	}
	key := &batch[history[0].at]
	if deleted {
		f.deletes.ids = append(f.deletes.ids, key.ID)
		f.deletes.segments = append(f.deletes.segments, key.Segment)
	}
	if put {
		f.puts.ids = append(f.puts.ids, key.ID)
		f.puts.segments = append(f.puts.segments, key.Segment)
		f.puts.expiries = append(f.puts.expiries, expiry)
	}
}

// inOrder lists what is to be done, in the order in which it must be.
func (f folded) inOrder() []rows {
	return slices.DeleteFunc([]rows{f.erases, f.deletes, f.puts}, func(r rows) bool { return r.len() == 0 })
}
