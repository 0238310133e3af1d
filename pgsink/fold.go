package pgsink

import (
	"cmp"
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

	live := make([]Row, 0, len(batch)) // puts and deletes that no later erase drops
	for i, row := range batch {
		if at, erased := lastErase[row.ID]; row.Op != OpErase && (!erased || at < i) {
			live = append(live, row)
		}
	}
	slices.SortStableFunc(live, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Segment, b.Segment))
	})
	for begin := 0; begin < len(live); {
		end := begin + 1
		for end < len(live) && live[end].ID == live[begin].ID && live[end].Segment == live[begin].Segment {
			end++
		}
		f.addKey(live[begin:end])
		begin = end
	}
	return f, nil
}

// addKey adds the effect of one key's rows, which are in log order.
func (f *folded) addKey(history []Row) {
	deleted, put, expiry := false, false, int64(0)
	for _, row := range history {
		switch {
		case row.Op == OpDelete:
			deleted, put = true, false
		case !put:
			put, expiry = true, row.Expiry
		default:
			expiry = max(expiry, row.Expiry)
		}
	}
	key := history[0]
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
