package api

import (
	"encoding/json"
	"net"
	"strconv"
)

// The keys of a request to change the nodes, and why their values are refused.
const (
	keyNodeID  = "id"
	keyAddress = "address"

	nodeIDBytesMax  = 64
	addressBytesMax = 300 // a host name of 253 bytes, a colon and a port

	reasonJoinKey  = "there is an unknown key: the keys are id and address, written exactly so"
	reasonLeaveKey = "there is an unknown key: the only key is id, written exactly so"
	reasonNodeID   = "must be 1 to 64 of a-z A-Z 0-9 . _ - and neither . nor .. : give the id of the node's own configuration"
	reasonAddress  = "must be host:port, with a port from 1 to 65535"
)

var (
	replyJoined = []byte(`{"status":"joined"}`)
	replyLeft   = []byte(`{"status":"left"}`)
)

// node is a node as a client names it.
type node struct{ id, address []byte }

// getCluster is for people and for dashboards: how fast it is does not matter.
func (x *exchange) getCluster() {
	body, err := json.Marshal(x.server.service.Cluster())
	if err != nil {
		x.failure(err, problemInternal)
		return
	}
	x.reply(200, body)
}

func (x *exchange) postJoin() {
	n, ok := x.readNode(true)
	if !ok {
		return
	}
	if err := x.server.service.Join(string(n.id), string(n.address)); err != nil {
		x.failure(err, problemUnknown)
		return
	}
	x.reply(200, replyJoined)
}

func (x *exchange) postLeave() {
	n, ok := x.readNode(false)
	if !ok {
		return
	}
	if err := x.server.service.Leave(string(n.id)); err != nil {
		x.failure(err, problemUnknown)
		return
	}
	x.reply(200, replyLeft)
}

// readNode reads the body of a request, or refuses it.
func (x *exchange) readNode(withAddress bool) (node, bool) {
	if _, ok := x.openBody(x.server.options.BodyBytesMax, mediaJSON); !ok || !x.readText() {
		return node{}, false
	}
	n, f := decodeNode(x.text, withAddress)
	if f.found() {
		x.problem(problemBadRequest, f.text())
		return node{}, false
	}
	return n, true
}

func decodeNode(data []byte, withAddress bool) (node, fault) {
	var n node
	c := cursor{data: data}
	c.object(func(key []byte) {
		switch {
		case string(key) == keyNodeID:
			c.once(keyNodeID, n.id != nil)
			n.id = c.nodeID(withAddress)
		case withAddress && string(key) == keyAddress:
			c.once(keyAddress, n.address != nil)
			n.address = c.address()
		case withAddress:
			c.fail("", reasonJoinKey)
		default:
			c.fail("", reasonLeaveKey)
		}
	})
	if n.id == nil {
		c.fail(keyNodeID, reasonMissing)
	}
	if withAddress && n.address == nil {
		c.fail(keyAddress, reasonMissing)
	}
	return n, c.fault
}

// nodeID reads a name. That of a node that is to be added must be one that a node can
// have; another cannot be known, which is for the cluster to say.
func (c *cursor) nodeID(added bool) []byte {
	start := c.at
	if !added {
		return c.name(keyNodeID)
	}
	id := c.text(keyNodeID)
	if !c.failed() && !isNodeID(id) {
		c.at = start
		c.fail(keyNodeID, reasonNodeID)
	}
	return id
}

// isNodeID has the rule of a node's configuration.
func isNodeID(id []byte) bool {
	for _, b := range id {
		letter := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
		if !letter && !isDigit(b) && b != '.' && b != '_' && b != '-' {
			return false
		}
	}
	return len(id) > 0 && len(id) <= nodeIDBytesMax && string(id) != "." && string(id) != ".."
}

// address reads a string that is host:port.
func (c *cursor) address() []byte {
	start := c.at
	value := c.text(keyAddress)
	if c.failed() {
		return nil
	}
	host, port, err := net.SplitHostPort(string(value))
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || number == 0 || checkName([]byte(host)) != "" || len(value) > addressBytesMax {
		c.at = start
		c.fail(keyAddress, reasonAddress)
		return nil
	}
	return value
}
