package fsm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Restore replaces the state by that of a snapshot. It builds the new state aside
// and swaps it in only when every frame, every count and the digest are right;
// otherwise the machine is as it was. It implements [raft.FSM].
func (m *Machine) Restore(r io.ReadCloser) error {
	defer r.Close() // every byte was checked: its error would say nothing
	st, err := readSnapshot(r, m.config)
	if err != nil {
		return fmt.Errorf("restoring shard %d: %w", m.config.Shard, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	st.advance(m.mu.state.horizon) // reads never go back in time
	m.mu.state = st
	m.publish()
	return nil
}

// restorer reads the frames of one snapshot into a state.
type restorer struct {
	config  Config
	state   *state
	segment *segment
	seen    [5]uint64 // segments, members, origins, outbox entries, history points
	begun   bool
	ended   bool
}

func readSnapshot(r io.Reader, c Config) (*state, error) {
	frames := newFrameReader(r)
	x := restorer{config: c, state: newState(c)}
	for !x.ended {
		kind, payload, err := frames.frame()
		if err != nil {
			return nil, err
		}
		if err := x.frame(kind, payload); err != nil {
			return nil, fmt.Errorf("%w: frame %q: %w", ErrSnapshot, kind, err)
		}
	}
	return x.state, frames.end()
}

func (x *restorer) frame(kind byte, payload []byte) error {
	if x.begun == (kind == frameHeader) {
		return errors.New("out of place")
	}
	d := decoder{data: payload}
	switch kind {
	case frameHeader:
		return x.header(&d)
	case frameSegment:
		return x.addSegment(payload)
	case frameMembers:
		return x.addMembers(payload)
	case frameOrigin:
		return x.addOrigin(&d)
	case frameOutbox:
		return x.addOutboxEntry(&d)
	case frameHistory:
		return x.addHistoryPoint(&d)
	case frameEnd:
		return x.end(&d)
	default:
		return errors.New("unknown kind")
	}
}

func (x *restorer) header(d *decoder) error {
	if v := d.byte(); v != snapshotVersion {
		return fmt.Errorf("version %d: this program reads version %d", v, snapshotVersion)
	}
	want := x.config.append(nil)
	if got := d.bytes(len(want), len(want)); !bytes.Equal(got, want) {
		return errors.New("it is of another cluster or shard")
	}
	st := x.state
	st.index = d.uvarint()
	st.time = d.seconds()
	watermark := d.uvarint()
	st.lastTick = d.seconds()
	st.outbox.acked = d.uvarint()
	st.settings = d.settings()
	if watermark > uint64(st.currentBucket()) {
		return errors.New("watermark ahead of time")
	}
	st.watermark, st.horizon = uint32(watermark), uint32(watermark)
	x.begun = true
	return d.end()
}

func (x *restorer) addSegment(title []byte) error {
	if len(title) == 0 || len(title) > NameBytesMax {
		return errors.New("title out of bounds")
	}
	if x.state.segments[string(title)] != nil {
		return errors.New("segment twice")
	}
	x.segment = x.state.addSegment(string(title))
	x.seen[0]++
	return nil
}

func (x *restorer) addMembers(payload []byte) error {
	if x.segment == nil || len(payload)%memberBytes != 0 {
		return errors.New("members out of place")
	}
	for ; len(payload) > 0; payload = payload[memberBytes:] {
		k := userKey{binary.LittleEndian.Uint64(payload), binary.LittleEndian.Uint64(payload[8:])}
		bucket := binary.LittleEndian.Uint32(payload[16:])
		if bucket <= x.state.watermark || x.segment.table.get(k, 0) != 0 {
			return errors.New("member drained or twice")
		}
		x.state.hold(x.segment, k, bucket)
		x.seen[1]++
	}
	return nil
}

func (x *restorer) addOrigin(d *decoder) error {
	name := string(d.bytes(int(d.byte()), OriginBytesMax))
	o := &origin{epoch: d.uvarint(), sequence: d.uvarint(), index: d.uvarint()}
	for _, s := range d.bytes(d.length(batchBytesMax), batchBytesMax) {
		o.statuses = append(o.statuses, Status(s))
	}
	if err := d.end(); err != nil {
		return err
	}
	if name == "" || x.state.origins[name] != nil || len(x.state.origins) == originsMax {
		return errors.New("origin without name, twice, or one too many")
	}
	x.state.origins[name] = o
	x.state.originSum += o.digest(name)
	x.seen[2]++
	return nil
}

func (x *restorer) addOutboxEntry(d *decoder) error {
	e := outboxEntry{index: d.uvarint(), rows: d.length(1 << 30), time: d.seconds()}
	e.records = bytes.Clone(d.data)
	if d.err != nil {
		return d.err
	}
	if e.rows == 0 {
		return errors.New("outbox entry without rows")
	}
	if err := checkRecords(e.records, e.rows); err != nil {
		return err
	}
	if n := len(x.state.outbox.entries); n > 0 && x.state.outbox.entries[n-1].index >= e.index {
		return errors.New("outbox out of order")
	}
	x.state.outbox.append(e)
	x.seen[3]++
	return nil
}

func (x *restorer) addHistoryPoint(d *decoder) error {
	p := HistoryPoint{At: d.seconds()}
	for range d.length(1 << 24) {
		p.Titles = append(p.Titles, string(d.bytes(int(d.byte()), NameBytesMax)))
		p.Counts = append(p.Counts, d.seconds())
		if d.err != nil {
			return d.err
		}
	}
	x.state.history = append(x.state.history, p)
	x.state.historySum += p.digest()
	x.seen[4]++
	return d.end()
}

func (x *restorer) end(d *decoder) error {
	for i, what := range [...]string{"segments", "members", "origins", "outbox entries", "history points"} {
		if n := d.uvarint(); n != x.seen[i] {
			return fmt.Errorf("%d %s, not %d", x.seen[i], what, n)
		}
	}
	digest := d.uint64()
	if got := x.state.digest(); d.err == nil && got != digest {
		return fmt.Errorf("digest %016x, not %016x", got, digest)
	}
	x.ended = true
	return d.end()
}
