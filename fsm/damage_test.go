package fsm_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"

	"headcount/fsm"
)

// frame is one frame of a snapshot, as the format is documented.
type frame struct {
	kind    byte
	payload []byte
	sum     []byte
}

const frameHeadBytes, frameSumBytes = 5, 4

// splitFrames cuts a snapshot into frames, as far as it goes.
func splitFrames(data []byte) (frames []frame) {
	for len(data) >= frameHeadBytes+frameSumBytes {
		n := int(binary.LittleEndian.Uint32(data[1:]))
		n = min(n, len(data)-frameHeadBytes-frameSumBytes)
		rest := data[frameHeadBytes+n:]
		frames = append(frames, frame{data[0], data[frameHeadBytes : frameHeadBytes+n], rest[:frameSumBytes]})
		data = rest[frameSumBytes:]
	}
	return frames
}

func joinFrames(frames []frame) (data []byte) {
	for _, f := range frames {
		data = append(data, f.kind)
		data = binary.LittleEndian.AppendUint32(data, uint32(len(f.payload)))
		data = append(data, f.payload...)
		data = append(data, f.sum...)
	}
	return data
}

// seal gives every frame the checksum it should have, so that a damage gets past
// the checksums to the checks of what the frames say.
func seal(frames []frame) {
	table, sum := crc32.MakeTable(crc32.Castagnoli), uint32(0)
	for i := range frames {
		f := &frames[i]
		head := binary.LittleEndian.AppendUint32([]byte{f.kind}, uint32(len(f.payload)))
		sum = crc32.Update(crc32.Update(sum, table, head), table, f.payload)
		f.sum = binary.LittleEndian.AppendUint32(nil, sum)
	}
}

func TestFramesAreAsDocumented(t *testing.T) {
	data := snapshotOf(t, busyShard(t).Machine)
	frames := splitFrames(data)
	if got := joinFrames(frames); !bytes.Equal(got, data) {
		t.Fatal("a snapshot is not made of frames")
	}
	seal(frames)
	if got := joinFrames(frames); !bytes.Equal(got, data) {
		t.Fatal("the checksums are not as documented")
	}
	var kinds []byte
	for _, f := range frames {
		kinds = append(kinds, f.kind)
	}
	for _, kind := range "HSMOPTE" {
		if !slices.Contains(kinds, byte(kind)) {
			t.Errorf("no frame of kind %c in %s", kind, kinds)
		}
	}
}

// damages change a copy of a snapshot. Each may find nothing to change.
var damages = []struct {
	name   string
	damage func(*rand.Rand, []byte) []byte
}{
	{"a few bits flipped", func(r *rand.Rand, data []byte) []byte {
		for range 1 + r.IntN(3) {
			data[r.IntN(len(data))] ^= 1 << r.IntN(8)
		}
		return data
	}},
	{"bytes overwritten", func(r *rand.Rand, data []byte) []byte {
		from := r.IntN(len(data))
		clear(data[from:min(len(data), from+1+r.IntN(32))])
		return data
	}},
	{"truncated", func(r *rand.Rand, data []byte) []byte { return data[:r.IntN(len(data))] }},
	{"a byte lost", func(r *rand.Rand, data []byte) []byte {
		i := r.IntN(len(data))
		return slices.Delete(data, i, i+1)
	}},
	{"a byte more", func(r *rand.Rand, data []byte) []byte {
		return slices.Insert(data, r.IntN(len(data)+1), byte(r.Uint32()))
	}},
	{"a frame dropped", inFrames(dropFrame)},
	{"a frame repeated", inFrames(repeatFrame)},
	{"two frames swapped", inFrames(func(r *rand.Rand, frames []frame) []frame {
		i, j := r.IntN(len(frames)), r.IntN(len(frames))
		frames[i], frames[j] = frames[j], frames[i]
		return frames
	})},
	// The same by somebody who knows how to make checksums.
	{"a frame dropped, sealed", inFrames(func(r *rand.Rand, frames []frame) []frame {
		frames = dropFrame(r, frames)
		seal(frames)
		return frames
	})},
	{"a frame repeated, sealed", inFrames(func(r *rand.Rand, frames []frame) []frame {
		frames = repeatFrame(r, frames)
		seal(frames)
		return frames
	})},
	{"a bit of what is counted flipped, sealed", inFrames(func(r *rand.Rand, frames []frame) []frame {
		// Not in the header: Raft knows the index of its snapshot, the digest leaves it out.
		f := &frames[1+r.IntN(len(frames)-1)]
		f.payload = slices.Clone(f.payload)
		f.payload[r.IntN(len(f.payload))] ^= 1 << r.IntN(8)
		seal(frames)
		return frames
	})},
}

func inFrames(damage func(*rand.Rand, []frame) []frame) func(*rand.Rand, []byte) []byte {
	return func(r *rand.Rand, data []byte) []byte { return joinFrames(damage(r, splitFrames(data))) }
}

func dropFrame(r *rand.Rand, frames []frame) []frame {
	i := r.IntN(len(frames))
	return slices.Delete(frames, i, i+1)
}

func repeatFrame(r *rand.Rand, frames []frame) []frame {
	i := r.IntN(len(frames))
	return slices.Insert(frames, i, frames[i])
}

// Whatever is done to a snapshot, it is refused, nothing panics, and the machine
// is as it was.
func TestDamagedSnapshotIsRefused(t *testing.T) {
	const seed, tries = 1, 10_000
	r := rand.New(rand.NewPCG(seed, 0))
	small := newShard(t)
	small.write(noon, put("ann", "RU", noon+minute))
	samples := [][]byte{
		snapshotOf(t, newReplica(shardConfig).Machine),
		snapshotOf(t, small.Machine),
		snapshotOf(t, busyShard(t).Machine),
	}
	target := newShard(t)
	target.write(noon, put("ann", "news", noon+9*minute), put("zoe", "RU", noon+minute))
	before, beforeDigest := target.view(busyIDs).String(), target.Stats().Digest

	refused := map[string]int{}
	for try := range tries {
		sample := samples[r.IntN(len(samples))]
		d := damages[try%len(damages)]
		data := d.damage(r, slices.Clone(sample))
		if bytes.Equal(data, sample) {
			continue
		}
		if err := restore(target.Machine, data); !errors.Is(err, fsm.ErrSnapshot) {
			t.Fatalf("try %d of seed %d: %s: %v, want ErrSnapshot\nwas %x\nis  %x", try, seed, d.name, err, sample, data)
		}
		if target.Stats().Digest != beforeDigest || target.view(busyIDs).String() != before {
			t.Fatalf("try %d of seed %d: %s: the machine was changed by a snapshot it refused", try, seed, d.name)
		}
		refused[d.name]++
	}
	for _, d := range damages {
		if refused[d.name] < tries/len(damages)/4 {
			t.Errorf("%s: only %d tries damaged anything", d.name, refused[d.name])
		}
	}
	for i, sample := range samples {
		if err := restore(target.Machine, sample); err != nil {
			t.Errorf("sample %d, not damaged: %v", i, err)
		}
	}
}
