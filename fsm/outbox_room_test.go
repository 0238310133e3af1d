package fsm

import "testing"

// Blocks have little more room than their data takes, whatever the last ones had, and the
// buffers that wait for a block are few.
func TestOutboxBlocksHaveLittleRoom(t *testing.T) {
	o := outbox{blockBytes: 1000}
	index := uint64(0)
	entry := func(bytes int) {
		index++
		o.append(outboxEntry{index: index, rows: 1, records: make([]byte, bytes)})
	}
	for range 3 * sparesMax {
		for range 2 * sparesMax {
			entry(5000)
		}
		for range 40 {
			entry(100)
		}
		for i, b := range o.sealed {
			if cap(b.data)-len(b.data) > len(b.data)/4 {
				t.Fatalf("block %d has %d bytes in %d", i, len(b.data), cap(b.data))
			}
		}
		o.acknowledge(index)
		o.narrow(0, 0)
		if len(o.sealed) > 0 || len(o.spares) > sparesMax {
			t.Fatalf("%d blocks and %d buffers are left", len(o.sealed), len(o.spares))
		}
	}
	if len(o.spares) == 0 {
		t.Error("no buffer is used again")
	}
}
