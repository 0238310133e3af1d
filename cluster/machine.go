package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// Machine is the state machine of the cluster group. It implements [raft.FSM].
type Machine struct {
	state atomic.Pointer[State]

	mu struct {
		sync.Mutex
		changed chan struct{} // closed at the next change
	}
}

// NewMachine returns the machine of a cluster that is not born yet.
func NewMachine() *Machine {
	m := &Machine{}
	m.state.Store(&State{Nodes: map[string]Node{}})
	m.mu.changed = make(chan struct{})
	return m
}

// State returns the document as it is now. It is never nil.
func (m *Machine) State() *State { return m.state.Load() }

// Changed returns a channel that is closed when the state next changes. Take it
// before reading the state.
func (m *Machine) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.changed
}

func (m *Machine) publish(s *State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Store(s)
	close(m.mu.changed)
	m.mu.changed = make(chan struct{})
}

// Apply applies one command and returns nil, or a *[Refusal] as an error. It
// panics on an entry that it cannot decode: it was written by a newer program.
func (m *Machine) Apply(l *raft.Log) any {
	c, err := decodeCommand(l.Data)
	if err != nil {
		panic(fmt.Sprintf("cluster: cannot apply entry %d: %v (was it written by a newer version?)", l.Index, err))
	}
	next, err := m.State().apply(c)
	if err != nil {
		return err
	}
	m.publish(next)
	return nil
}

// Snapshot implements [raft.FSM].
func (m *Machine) Snapshot() (raft.FSMSnapshot, error) { return frozen{m.State()}, nil }

// Restore implements [raft.FSM].
func (m *Machine) Restore(r io.ReadCloser) (err error) {
	defer func() { err = errors.Join(err, r.Close()) }()
	s := &State{}
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(s); err != nil {
		return fmt.Errorf("restoring the cluster group: %w", err)
	}
	if s.Nodes == nil {
		s.Nodes = map[string]Node{}
	}
	m.publish(s)
	return nil
}

type frozen struct{ state *State }

// Persist implements [raft.FSMSnapshot]. The snapshot store keeps a checksum of
// its own beside the document.
func (f frozen) Persist(sink raft.SnapshotSink) error {
	if err := json.NewEncoder(sink).Encode(f.state); err != nil {
		_ = sink.Cancel()
		return fmt.Errorf("writing the snapshot of the cluster group: %w", err)
	}
	return sink.Close()
}

// Release implements [raft.FSMSnapshot].
func (frozen) Release() {}
