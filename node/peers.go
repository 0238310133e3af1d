package node

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"headcount/cluster"
	"headcount/transport"
)

const (
	reportEvery    = 500 * time.Millisecond
	reportTimeout  = time.Second
	reportFreshFor = 3 * time.Second // a node unheard for longer is not counted on
)

// The kinds of request on the peer port.
const (
	kindHello     transport.Kind = 1 // who are you?
	kindReport    transport.Kind = 2 // here is my report, give me yours
	kindForward   transport.Kind = 3 // a batch, to the shard's leader
	kindReadIndex transport.Kind = 4 // the index that a linearizable read must reach
	kindJoin      transport.Kind = 5 // to the cluster group's leader
	kindLeave     transport.Kind = 6
	kindUpdate    transport.Kind = 7 // a node's own addresses have changed
)

// report is what a node says of itself to the others, twice a second. It is for
// status pages and for knowing who is alive and caught up; no decision about data
// rests on it alone.
type report struct {
	Node     string                 `json:"node"`
	Instance string                 `json:"instance"`
	Clock    int64                  `json:"clock"`  // Unix nanoseconds
	Groups   map[string]groupReport `json:"groups"` // by name
}

type groupReport struct {
	Role     string   `json:"role"` // leader, follower, candidate or nonvoter
	Term     uint64   `json:"term"`
	Applied  uint64   `json:"applied"` // Raft's applied index
	Commit   uint64   `json:"commit"`
	Servers  []string `json:"servers,omitempty"` // of the configuration; from leaders
	Replica  *Replica `json:"replica,omitempty"`
	Copied   *Copied  `json:"copied,omitempty"` // from shard leaders
	LastTick int64    `json:"lastTick,omitempty"`
}

// peers knows the other nodes: their addresses, what they last reported.
type peers struct {
	self      string
	transport *transport.Transport
	machine   *cluster.Machine
	clock     *clock
	logger    *slog.Logger
	own       func() report            // this node's
	commits   func() map[string]uint64 // this node's commit indexes, by group
	heard     func(report)             // another's has arrived
	mu        struct {
		sync.Mutex
		reports map[string]heardReport
	}
}

type heardReport struct {
	report
	at      time.Time
	commits map[string]uint64 // by group: this node's commit index when the report came
}

// ServerAddr implements [raft.ServerAddressProvider]: the cluster's document knows
// better than a configuration that was written when the node had another address.
func (p *peers) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	address, err := p.address(string(id))
	return raft.ServerAddress(address), err
}

func (p *peers) address(id string) (string, error) {
	n, ok := p.machine.State().Nodes[id]
	if !ok {
		return "", fmt.Errorf("node %s is not known", id)
	}
	return n.Peer, nil
}

// instanceAt says which instance is expected at an address.
func (p *peers) instanceAt(address string) transport.Instance {
	n, ok := p.machine.State().AtPeer(address)
	if !ok {
		return transport.Instance{}
	}
	i, _ := parseInstance(n.Instance) // zero if it is not one
	return i
}

// call sends a request to a node by its ID.
func (p *peers) call(ctx context.Context, id string, kind transport.Kind, payload []byte) ([]byte, error) {
	address, err := p.address(id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", transport.ErrNotSent, err)
	}
	return p.transport.Call(ctx, address, kind, payload)
}

// run exchanges reports until ctx ends.
func (p *peers) run(ctx context.Context) {
	var exchanges sync.WaitGroup
	defer exchanges.Wait()
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	for {
		mine, err := json.Marshal(p.own())
		if err != nil {
			panic(fmt.Sprintf("node: a report that is not JSON: %v", err)) // only plain types in it
		}
		for _, id := range p.machine.State().NodeIDs() {
			if id != p.self {
				exchanges.Go(func() { p.exchange(ctx, id, mine) })
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p *peers) exchange(ctx context.Context, id string, mine []byte) {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	sent := time.Now()
	reply, err := p.call(ctx, id, kindReport, mine)
	if err != nil {
		p.logger.Debug("no report", "node", id, "err", err)
		return
	}
	var theirs report
	if err := json.Unmarshal(reply, &theirs); err != nil || theirs.Node != id {
		p.logger.Warn("a report that cannot be read", "from", id, "err", err)
		return
	}
	p.clock.heard(id, time.Unix(0, theirs.Clock), sent, time.Now())
	p.note(theirs)
}

// answer serves kindReport.
func (p *peers) answer(_ context.Context, payload []byte) ([]byte, error) {
	var theirs report
	if err := json.Unmarshal(payload, &theirs); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	p.note(theirs)
	return json.Marshal(p.own())
}

func (p *peers) note(r report) {
	if known := p.machine.State().Nodes[r.Node]; known.Instance != r.Instance {
		return // of a former life, or not of this cluster
	}
	h := heardReport{r, time.Now(), p.commits()}
	p.mu.Lock()
	p.mu.reports[r.Node] = h
	p.mu.Unlock()
	p.heard(r)
}

// latest returns a node's last report, if it is fresh.
func (p *peers) latest(id string) (report, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.mu.reports[id]
	return r.report, ok && time.Since(r.at) < reportFreshFor
}

// lag says how many entries of a group a node had yet to apply when it last reported,
// by what was committed here at that moment. ok is false when it has nothing of the
// group, or was not heard lately.
func (p *peers) lag(id, group string) (entries uint64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.mu.reports[id]
	if !ok || time.Since(r.at) >= reportFreshFor || r.Groups[group].Applied == 0 {
		return 0, false
	}
	return r.commits[group] - min(r.commits[group], r.Groups[group].Applied), true
}

// alive reports whether a node was heard lately. A node always hears itself.
func (p *peers) alive(id string) bool {
	_, ok := p.latest(id)
	return ok || id == p.self
}
