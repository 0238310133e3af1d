package node

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/types"
)

// A segment reads as what was appended, and zeros to its end, whatever the sizes, and
// also when it is opened again.
func TestSegmentIsItsAppendsAndZeros(t *testing.T) {
	const size = 2 << 20
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		dir, files := t.TempDir(), segmentFiles{fs.New()}
		f, err := files.Create(dir, "s", size)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]byte, size)
		for at := 0; ; {
			p := make([]byte, 1+random.IntN(10_000))
			switch random.IntN(10) {
			case 0:
				p = make([]byte, zeroAppendMax+random.IntN(100_000))
			case 1: // another process goes on
				f = reopened(t, files, f, dir)
			}
			if at+len(p) > size {
				break
			}
			for i := range p {
				p[i] = byte(1 + random.IntN(255))
			}
			if n, err := f.WriteAt(p, int64(at)); err != nil || n != len(p) {
				t.Fatal(n, err)
			}
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
			copy(want[at:], p)
			at += len(p)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, "s"))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("round %d: the segment of %d bytes is not what was appended (%v)", round, len(got), err)
		}
	}
}

func reopened(t *testing.T, files segmentFiles, f types.WritableFile, dir string) types.WritableFile {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := files.OpenWriter(dir, "s")
	if err != nil {
		t.Fatal(err)
	}
	return f
}
