package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// readBulk reads a body that arrives in pieces of the given size, through the
// smallest window or the largest.
func readBulk(body []byte, piece int, small bool, next framer) (*town, *tally) {
	town, b := newTown(), new(bulk)
	declared := -1
	if small {
		declared = 0
	}
	b.reset(town, &chunkedReader{bytes.NewReader(body), piece}, declared)
	b.expiries = func() expiries { return expiriesAt(town.now, 1e9, 1e18) }
	b.beforeChunk = func() {}
	b.run(next)
	return town, &b.tally
}

// account is all that a tally says, but for the version: how many entries a body
// becomes depends on how it arrives.
func account(town *town, t *tally) string {
	return fmt.Sprintf("%d records, %s, fault %q, %v, %v", t.number, t.appendCounts(nil), t.fault.text(), t.broken, town.snapshot())
}

// fuzzBytesMax keeps a run quick. It is twice the smallest window, so that bodies
// slide through it.
const fuzzBytesMax = 2 * windowBytesMin

// checkPieces checks that how a body arrives never changes what becomes of it.
func checkPieces(t *testing.T, body []byte, newFramer func() framer) *tally {
	t.Helper()
	town, whole := readBulk(body, max(len(body), 1), false, newFramer())
	want := account(town, whole)
	for _, piece := range []int{1, 7, recordBytesMax, fuzzBytesMax} {
		if got := account(readBulk(body, piece, true, newFramer())); got != want {
			t.Fatalf("%.200q in pieces of %d:\n%.1000s\nwant\n%.1000s", body, piece, got, want)
		}
	}
	return whole
}

func FuzzLines(f *testing.F) {
	record := `{"ID":"u\u0041","segment":"s"}`
	for _, seed := range []string{
		"", "\n", "\r\n \n", record, record + "\n" + record, record + "\r\n{\n\n" + record + "\n",
		strings.Repeat(record+"\n", 400), strings.Repeat("x", 4096) + "\n" + record,
		strings.Repeat("x", 4097) + "\n" + record, strings.Repeat(" ", 4097) + record, strings.Repeat("y", 9000),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > fuzzBytesMax {
			t.Skip()
		}
		got := checkPieces(t, body, func() framer { return &lines{} })
		var records, rejected uint64
		for line := range bytes.SplitSeq(body, []byte("\n")) {
			if len(line) <= recordBytesMax && len(bytes.Trim(line, " \t\r")) == 0 {
				continue
			}
			records++
			if _, fault := decodeRecord(slices.Clone(line)); len(line) > recordBytesMax || fault.found() {
				rejected++
			}
		}
		// The rest of the rejections is of expiries, which the decoder does not judge.
		if got.number != records || got.rejected < rejected || got.applied()+got.rejected != records || got.stopped() {
			t.Fatalf("%.200q: %+v, want %d records and at least %d rejected", body, got, records, rejected)
		}
	})
}

func FuzzArray(f *testing.F) {
	record := `{"ID":"u\u0041","segment":"s"}`
	for _, bad := range readBadRequests(f) {
		f.Add([]byte(expand(bad.Body)))
	}
	for _, seed := range []string{
		"[]", " [ ] ", "[" + record + "]", "[" + record + "," + record + ",{}]", "[1,-0.5e+7,true,false,null,\"\\u12ab\"]",
		"[" + strings.Repeat(record+" ,\n", 400) + record + "]", `["` + strings.Repeat("x", 4094) + `"]`,
		`["` + strings.Repeat("x", 4095) + `"]`, "[" + strings.Repeat(" ", 9000) + "17]", `[{"a":[{"b":{}}]}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > fuzzBytesMax || !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
			t.Skip()
		}
		got := checkPieces(t, body, func() framer { return &array{} })
		if got.fault.reason == reasonRecordLong || got.fault.reason == reasonDeep {
			return // bounds that encoding/json does not have
		}
		var elements []json.RawMessage
		err := json.Unmarshal(body, &elements)
		if (err == nil) == got.fault.found() {
			t.Fatalf("%.200q: fault %q, but encoding/json says %v", body, got.fault.text(), err)
		}
		if err == nil && (got.number != uint64(len(elements)) || got.applied()+got.rejected != got.number) {
			t.Fatalf("%.200q: %+v, want %d elements", body, got, len(elements))
		}
	})
}
