package cluster

import (
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"maps"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// Hint is what gossip believes of a node.
type Hint struct {
	ID   string `json:"id"`
	Peer string `json:"peer"`
	HTTP string `json:"http"`
}

// Gossip spreads who is alive. What it says is a hint, for people and for
// choosing whom to ask first.
type Gossip struct {
	list *memberlist.Memberlist
	hear *hearsay
}

// GossipConfig says where to gossip.
type GossipConfig struct {
	Bind    string // host:port, for TCP and UDP
	Cluster string // gossip of another cluster is not heard
	Self    Hint
	// SecretKey will encrypt gossip (16, 24 or 32 bytes). Empty: in the clear.
	SecretKey []byte
	Logger    *slog.Logger
}

// StartGossip binds the gossip port.
func StartGossip(c GossipConfig) (*Gossip, error) {
	host, port, err := resolve(c.Bind)
	if err != nil {
		return nil, fmt.Errorf("gossip address: %w", err)
	}
	meta, err := json.Marshal(c.Self)
	if err != nil || len(meta) > memberlist.MetaMaxSize {
		return nil, fmt.Errorf("gossip: what this node says of itself has %d bytes (%w)", len(meta), err)
	}
	m := memberlist.DefaultLANConfig()
	m.Name = c.Self.ID
	m.BindAddr, m.BindPort, m.AdvertisePort = host, port, port
	m.Label = c.Cluster
	m.SecretKey = c.SecretKey
	m.Delegate = says(meta)
	hear := &hearsay{alive: make(map[string]Hint)}
	m.Events = hear
	m.Logger = log.New(debugWriter{c.Logger}, "", 0)
	list, err := memberlist.Create(m)
	if err != nil {
		return nil, fmt.Errorf("starting gossip on %s: %w", c.Bind, err)
	}
	return &Gossip{list, hear}, nil
}

// Join asks the nodes at these addresses, by ID, to gossip with this one, unless
// it hears of them already. Those that do not answer are passed over: call it
// again.
func (g *Gossip) Join(addresses map[string]string) {
	alive := g.Alive()
	for id, address := range addresses {
		if _, ok := alive[id]; !ok {
			_, _ = g.list.Join([]string{address})
		}
	}
}

// Alive returns the hints of the nodes that gossip believes to be alive, by ID.
func (g *Gossip) Alive() map[string]Hint {
	g.hear.mu.Lock()
	defer g.hear.mu.Unlock()
	return maps.Clone(g.hear.alive)
}

// hearsay keeps what memberlist tells of, as its own list of members goes on changing
// under whoever reads it. It implements [memberlist.EventDelegate].
type hearsay struct {
	mu    sync.Mutex
	alive map[string]Hint // by memberlist's name, which is the ID
}

// NotifyJoin implements [memberlist.EventDelegate].
func (h *hearsay) NotifyJoin(n *memberlist.Node) { h.NotifyUpdate(n) }

// NotifyUpdate implements [memberlist.EventDelegate].
func (h *hearsay) NotifyUpdate(n *memberlist.Node) {
	var hint Hint
	if json.Unmarshal(n.Meta, &hint) != nil || hint.ID == "" {
		return // not one of ours, or of a newer version: no hint
	}
	h.mu.Lock()
	h.alive[n.Name] = hint
	h.mu.Unlock()
}

// NotifyLeave implements [memberlist.EventDelegate].
func (h *hearsay) NotifyLeave(n *memberlist.Node) {
	h.mu.Lock()
	delete(h.alive, n.Name)
	h.mu.Unlock()
}

// Close says goodbye and stops.
func (g *Gossip) Close() error {
	// Peers that do not hear the goodbye will find out.
	_ = g.list.Leave(200 * time.Millisecond)
	return g.list.Shutdown()
}

// resolve returns the IP address and port of host:port: memberlist binds to
// addresses, not to names.
func resolve(address string) (ip string, port int, err error) {
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return "", 0, err
	}
	if a.IP == nil {
		return "0.0.0.0", a.Port, nil
	}
	return a.IP.String(), a.Port, nil
}

// says is the delegate that attaches a node's own words to its gossip.
type says []byte

func (s says) NodeMeta(limit int) []byte       { return s[:min(len(s), limit)] }
func (says) NotifyMsg([]byte)                  {}
func (says) GetBroadcasts(int, int) [][]byte   { return nil }
func (says) LocalState(join bool) []byte       { return nil }
func (says) MergeRemoteState(_ []byte, _ bool) {}

// debugWriter passes memberlist's log on, which is of interest only when looking
// for a fault of the network.
type debugWriter struct{ logger *slog.Logger }

func (w debugWriter) Write(p []byte) (int, error) {
	w.logger.Debug("gossip", "text", strings.TrimSpace(string(p)))
	return len(p), nil
}
