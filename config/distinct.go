package config

import (
	"fmt"
	"net"
)

// distinct wants what two nodes, or two listeners of one, cannot share.
func (r *reader) distinct(nodes []Node) {
	ids := taken{r: r, advice: "give each node an ID of its own"}
	listeners := taken{r: r, advice: "give each listener its own port"}
	directories := taken{r: r, advice: "give each node of a host its own directory"}
	for i, n := range nodes {
		path := fmt.Sprintf("nodes[%d]", i)
		if r.refused[path] { // not even a group of keys
			continue
		}
		path += "."
		ids.claim(path+"id", n.ID, n.ID)
		listeners.claim(path+"http", n.HTTP, sameListener(n.HTTP))
		listeners.claim(path+"peer", n.Peer, sameListener(n.Peer))
		listeners.claim(path+"gossip", n.Gossip, sameListener(n.Gossip))

		// Without an ID of its own a node has no directory of its own either.
		if r.refused[path+"id"] || r.refused[path+"peer"] {
			continue
		}
		if _, given := r.lines[path+"data"]; !given {
			r.lines[path+"data"] = r.lines[path+"id"] // where its default comes from
		}
		host, _, _ := net.SplitHostPort(sameListener(n.Peer)) // checked before
		directories.claim(path+"data", n.Data, host+":"+n.Data)
	}
}

// taken remembers which key was first with a value.
type taken struct {
	r      *reader
	advice string
	first  map[string]string // value in the form to compare by -> key
}

// claim refuses a value, shown as written, that another key has already. A key
// refused before claims nothing.
func (t *taken) claim(key, written, compared string) {
	if t.r.refused[key] {
		return
	}
	first, found := t.first[compared]
	if !found {
		if t.first == nil {
			t.first = map[string]string{}
		}
		t.first[compared] = key
		return
	}
	t.r.refuse(t.r.lines[key], key, "%s is already used by %s (%s): %s", shown(written), first, t.r.place(first), t.advice)
}
