package fsm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"headcount/fsm/internal/table"
	"headcount/fsm/internal/tally"
)

// Restore replaces the state by that of a snapshot. It builds the new state aside
// and swaps it in only when every frame, every count and the digest are right;
// otherwise the machine is as it was. It implements [raft.FSM].
func (m *Machine) Restore(r io.ReadCloser) error {
	defer r.Close() // every byte was checked: its error would say nothing
	st, err := readSnapshot(r, m.config, m.spool)
	if err != nil {
		return fmt.Errorf("restoring shard %d: %w", m.config.Shard, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if before := m.mu.state.horizon; st.horizon < before {
		st.moveHorizon(before) // a restore does not take readers back in time
	}
	m.mu.state = st
	m.publish()
	return nil
}

// reservedPiecesMax bounds the memory that a snapshot's word on its segments' sizes is
// trusted with: 16 MiB of pieces, for some 45 million members. Beyond it, tables grow
// as members come, which takes longer.
const reservedPiecesMax = 1 << 18

// restoredSegment is a segment and how many members the snapshot says it has.
type restoredSegment struct {
	*segment
	members int64
}

// restorer reads the frames of one snapshot into a state.
type restorer struct {
	config   Config
	state    *state
	byNumber map[uint64]restoredSegment
	run      []table.Membership // that is being added; kept to be used again
	reserve  int                // pieces that may still be made before their members have come
	seen     [5]uint64          // segments, members, origins, outbox blocks, history points
	begun    bool
	ended    bool
}

func readSnapshot(r io.Reader, c Config, s Spool) (*state, error) {
	frames := newFrameReader(r)
	x := restorer{config: c, state: newState(c, s), byNumber: make(map[uint64]restoredSegment), reserve: reservedPiecesMax}
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
		return x.addSegment(&d)
	case frameMembers:
		return x.addMembers(&d)
	case frameOrigin:
		return x.addOrigin(&d)
	case frameOutbox:
		return x.addOutboxBlock(&d)
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
	st.setTime(d.seconds())
	watermark := d.uvarint()
	st.lastTick = d.seconds()
	st.outbox.acked, st.outbox.dropped = d.uvarint(), d.uvarint()
	st.settings = d.settings()
	if st.outbox.dropped > st.outbox.acked {
		return errors.New("the outbox has dropped what was not acknowledged")
	}
	if watermark > uint64(st.current) {
		return errors.New("watermark ahead of time")
	}
	st.watermark, st.horizon = uint32(watermark), uint32(watermark)
	x.begun = true
	return d.end()
}

func (x *restorer) addSegment(d *decoder) error {
	number, members := d.uvarint(), d.seconds()
	if d.err != nil {
		return d.err
	}
	title := d.data
	if len(title) == 0 || len(title) > NameBytesMax {
		return errors.New("title out of bounds")
	}
	if _, ok := x.byNumber[number]; ok || x.state.segments[string(title)] != nil {
		return errors.New("segment twice")
	}
	seg := x.state.addSegment(string(title))
	x.reserve -= seg.table.Reserve(x.state.tables, members, x.reserve)
	x.byNumber[number] = restoredSegment{seg, members}
	x.seen[0]++
	return nil
}

func (x *restorer) addMembers(d *decoder) error {
	for len(d.data) > 0 {
		head := d.bytes(6, 6)
		if d.err != nil {
			return d.err
		}
		seg := x.byNumber[uint64(binary.LittleEndian.Uint32(head))].segment
		run := d.bytes(memberBytes*int(binary.LittleEndian.Uint16(head[4:])), frameBytesMax)
		if d.err != nil {
			return d.err
		}
		if seg == nil {
			return errors.New("members of no segment")
		}
		if err := x.addRun(seg, run); err != nil {
			return err
		}
	}
	return nil
}

// addRun adds members of one segment. It does not look for one that comes twice: the
// digest at the end, which has each of them once, finds it, and looking would take a good
// part of the time of a restore.
func (x *restorer) addRun(seg *segment, run []byte) error {
	st := x.state
	x.run = x.run[:0]
	for ; len(run) > 0; run = run[memberBytes:] {
		k, ok := table.MakeKey(binary.LittleEndian.Uint64(run), binary.LittleEndian.Uint16(run[8:]))
		bucket := binary.LittleEndian.Uint32(run[10:])
		if !ok || bucket <= st.watermark || uint64(bucket) > uint64(st.watermark)+table.Reach {
			return errors.New("member out of bounds or drained")
		}
		x.run = append(x.run, table.Membership{Key: k, Bucket: bucket})
	}
	if !seg.table.Fill(st.tables, x.run, st.watermark) {
		return errors.New("members are not spread as hashes are")
	}
	for _, member := range x.run {
		st.count(seg, member.Key, member.Bucket, 1, &tally.Probe{})
	}
	x.seen[1] += uint64(len(x.run))
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

func (x *restorer) addOutboxBlock(d *decoder) error {
	o := &x.state.outbox
	if x.seen[3]++; o.open.bytes > 0 {
		return errors.New("outbox block after the open one")
	}
	last := o.dropped
	if n := len(o.sealed); n > 0 {
		last = o.sealed[n-1].last
	}
	for len(d.data) > 0 {
		e := d.outboxEntry()
		if d.err != nil {
			return d.err
		}
		if err := checkRecords(e.records, e.rows); err != nil {
			return err
		}
		if e.index <= last {
			return errors.New("outbox out of order")
		}
		last = e.index
		sealed := len(o.sealed)
		if o.append(e); len(o.sealed) > sealed && len(d.data) > 0 {
			return errors.New("outbox block too long")
		}
	}
	for o.crowded() {
		// A disk without room is no reason to refuse a good snapshot, in whose place Raft
		// would take an older one: memory keeps it, and SpoolOutbox tries again.
		if err := o.spoolFirst(); err != nil {
			break
		}
	}
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
	for i, what := range [...]string{"segments", "members", "origins", "outbox blocks", "history points"} {
		if n := d.uvarint(); n != x.seen[i] {
			return fmt.Errorf("%d %s, not %d", x.seen[i], what, n)
		}
	}
	for _, seg := range x.byNumber {
		seg.table.Settled()
		if seg.stored != seg.members || seg.stored == 0 {
			return fmt.Errorf("segment %q has %d members, not %d", seg.title, seg.stored, seg.members)
		}
	}
	x.state.outbox.countOpen()
	digest := d.uint64()
	if got := x.state.digest(); d.err == nil && got != digest {
		return fmt.Errorf("digest %016x, not %016x", got, digest)
	}
	x.ended = true
	return d.end()
}
