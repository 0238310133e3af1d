package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// commandVersion is raised when a command changes meaning.
const commandVersion = 1

// Command is one entry of the cluster group's log: exactly one field is set. The
// log sees a few commands a day, so they are JSON, for whoever has to read one.
type Command struct {
	Version     int       `json:"version"`
	BeginLife   *Begin    `json:"begin,omitempty"`
	AddNode     *Node     `json:"addNode,omitempty"`
	UpdateNode  *Node     `json:"updateNode,omitempty"` // addresses only
	MarkMember  string    `json:"markMember,omitempty"`
	MarkLeaving string    `json:"markLeaving,omitempty"`
	RemoveNode  string    `json:"removeNode,omitempty"`
	Settings    *Settings `json:"settings,omitempty"`
}

// Begin is the birth of the cluster.
type Begin struct {
	Birth    Birth    `json:"birth"`
	Settings Settings `json:"settings"`
	Nodes    []Node   `json:"nodes"`
}

// Encode returns the command as an entry.
func (c Command) Encode() []byte {
	c.Version = commandVersion
	b, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("cluster: a command that is not JSON: %v", err)) // only plain types in it
	}
	return b
}

func decodeCommand(b []byte) (c Command, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // a field of a newer version must not be passed over
	if err := d.Decode(&c); err != nil {
		return c, err
	}
	if c.Version != commandVersion {
		return c, fmt.Errorf("version %d", c.Version)
	}
	return c, nil
}

// Refusal is what Apply returns for a command that was not carried out, with a
// sentence for the operator. Nothing was changed.
type Refusal struct{ Reason string }

func (r *Refusal) Error() string { return r.Reason }

func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// apply returns the state after the command, or a *Refusal.
func (s *State) apply(c Command) (*State, error) {
	if s.Birth == nil && c.BeginLife == nil {
		return nil, refuse("the cluster is not born yet")
	}
	n := s.clone()
	var err error
	switch {
	case c.BeginLife != nil:
		err = n.begin(*c.BeginLife)
	case c.AddNode != nil:
		err = n.addNode(*c.AddNode)
	case c.UpdateNode != nil:
		err = n.updateNode(*c.UpdateNode)
	case c.MarkMember != "":
		err = n.mark(c.MarkMember, Member)
	case c.MarkLeaving != "":
		err = n.mark(c.MarkLeaving, Leaving)
	case c.RemoveNode != "":
		err = n.removeNode(c.RemoveNode)
	case c.Settings != nil:
		n.Settings = *c.Settings
	default:
		err = refuse("empty command")
	}
	if err != nil {
		return nil, err
	}
	n.Revision++
	return n, nil
}

func (s *State) begin(b Begin) error {
	if s.Birth != nil {
		return refuse("the cluster is born already, as %s", s.Birth.Incarnation)
	}
	s.Birth, s.Settings = &b.Birth, b.Settings
	s.Nodes = make(map[string]Node, len(b.Nodes))
	for _, n := range b.Nodes {
		s.Nodes[n.ID] = n
	}
	return nil
}

func (s *State) addNode(n Node) error {
	if known, ok := s.Nodes[n.ID]; ok {
		if known.Instance != n.Instance {
			return refuse("node %s is known already, with another data directory: let it leave first, or join under another id", n.ID)
		}
		if known.State == Leaving {
			return refuse("node %s is leaving: wait until it has left", n.ID)
		}
		return refuse("node %s is known already", n.ID)
	}
	if other, ok := s.AtPeer(n.Peer); ok {
		return refuse("address %s is node %s's", n.Peer, other.ID)
	}
	n.State = Joining
	s.Nodes[n.ID] = n
	return nil
}

func (s *State) updateNode(n Node) error {
	known, ok := s.Nodes[n.ID]
	if !ok || known.Instance != n.Instance {
		return refuse("node %s with this data directory is not known", n.ID)
	}
	if other, ok := s.AtPeer(n.Peer); ok && other.ID != n.ID {
		return refuse("address %s is node %s's", n.Peer, other.ID)
	}
	known.HTTP, known.Peer, known.Gossip = n.HTTP, n.Peer, n.Gossip
	s.Nodes[n.ID] = known
	return nil
}

func (s *State) mark(id string, to NodeState) error {
	n, ok := s.Nodes[id]
	if !ok {
		return refuse("node %s is not known", id)
	}
	if n.State == Leaving {
		return refuse("node %s is leaving", id)
	}
	if to == Leaving && len(Place(s.Nodes, 1)[0]) == 1 {
		return refuse("node %s is the last one: without it the cluster is no more", id)
	}
	n.State = to
	s.Nodes[id] = n
	return nil
}

func (s *State) removeNode(id string) error {
	n, ok := s.Nodes[id]
	if !ok {
		return refuse("node %s is not known", id)
	}
	if n.State != Leaving {
		return refuse("node %s is not leaving", id)
	}
	delete(s.Nodes, id)
	return nil
}
