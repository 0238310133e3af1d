package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"headcount/bench/local"
)

// etcdPeer is three nodes, each a process, with a key for each membership: segment and
// user are the key, and the expiry is its value.
func etcdPeer() peer {
	return peer{
		name: "etcd", durability: "synced by two of three", copies: 3,
		missing: programMissing("etcd", "etcd-server"),
		start: func(ctx context.Context, o compareOptions, dir string) (*site, error) {
			commands, endpoints, err := etcdCommands(dir, o.bulk)
			if err != nil {
				return nil, err
			}
			s, err := startPrograms(dir, commands...)
			if err != nil {
				return nil, err
			}
			clients := make([]*http.Client, len(endpoints))
			for i := range clients {
				// One connection to each node is what etcd's own client has: the
				// senders' requests are streams of it.
				transport := &http.Transport{Protocols: new(http.Protocols)}
				transport.Protocols.SetUnencryptedHTTP2(true)
				clients[i] = &http.Client{Transport: transport}
			}
			s.open = func(ctx context.Context, number int, o options) (sender, error) {
				at := number % len(endpoints)
				return newEtcdSender(ctx, clients[at], endpoints[at], o), nil
			}
			return s, s.await(ctx)
		},
	}
}

// etcdCommands are the command lines of the nodes, and where they take requests.
func etcdCommands(dir string, bulk int) (commands [][]string, endpoints []string, err error) {
	var peers, members []string
	for i := range local.Nodes {
		for _, list := range []*[]string{&endpoints, &peers} {
			port, err := freePort()
			if err != nil {
				return nil, nil, err
			}
			*list = append(*list, "http://127.0.0.1:"+port)
		}
		members = append(members, fmt.Sprintf("n%d=%s", i, peers[i]))
	}
	for i := range local.Nodes {
		commands = append(commands, []string{
			"etcd", "--name", fmt.Sprintf("n%d", i), "--data-dir", filepath.Join(dir, fmt.Sprintf("n%d", i)),
			"--listen-client-urls", endpoints[i], "--advertise-client-urls", endpoints[i],
			"--listen-peer-urls", peers[i], "--initial-advertise-peer-urls", peers[i],
			"--initial-cluster", strings.Join(members, ","), "--initial-cluster-state", "new",
			"--max-txn-ops", fmt.Sprint(max(bulk, 128)), "--quota-backend-bytes", fmt.Sprint(8 << 30),
			"--logger", "zap", "--log-level", "error",
		})
	}
	return commands, endpoints, nil
}

// etcdSender puts a key, or many in a transaction, over gRPC, of which a request without
// streams is a POST over HTTP/2 (grpc.io, "gRPC over HTTP2"); so no other client is needed.
// The messages are those of etcd's rpc.proto.
type etcdSender struct {
	ctx     context.Context
	client  *http.Client
	url     string
	payload *payload
}

func newEtcdSender(ctx context.Context, client *http.Client, endpoint string, o options) *etcdSender {
	s := &etcdSender{ctx: ctx, client: client, url: endpoint + "/etcdserverpb.KV/Put"}
	if o.bulk > 0 {
		s.url = endpoint + "/etcdserverpb.KV/Txn"
	}
	s.payload = newEtcdPayload(o)
	return s
}

// newEtcdPayload builds a PutRequest, or a TxnRequest of many. Every part is shorter than
// 128 bytes, so that its length is one byte.
func newEtcdPayload(o options) *payload {
	field := func(tag byte, text string) string { return string([]byte{tag, byte(len(text))}) + text }
	return newRecords(o, func(user, segment, expiry string) string {
		put := field(0x0a, "s"+segment+"/u"+user) + field(0x12, expiry) // key, value
		if o.bulk == 0 {
			return put
		}
		return field(0x12, field(0x12, put)) // success: request_put
	}, func(bytes int) string {
		// The message is not compressed; its length.
		return string(binary.BigEndian.AppendUint32([]byte{0}, uint32(bytes)))
	})
}

// etcdTriesMax is how often a transaction is drawn: etcd refuses one with a key twice.
const etcdTriesMax = 20

func (s *etcdSender) send(d *draw, now time.Time, t *tally) {
	var err error
	for range etcdTriesMax {
		s.payload.fill(d, now)
		if err = s.call(); !errors.Is(err, errTwice) {
			break
		}
	}
	if err != nil {
		t.failed(err)
		return
	}
	t.answered(time.Since(now), s.payload.records)
}

var errTwice = errors.New("the transaction has a key twice")

func (s *etcdSender) call() error {
	request, err := http.NewRequestWithContext(s.ctx, http.MethodPost, s.url, bytes.NewReader(s.payload.bytes))
	if err != nil {
		return err
	}
	request.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}}
	reply, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if _, err := io.Copy(io.Discard, reply.Body); err != nil {
		return err
	}
	said := reply.Trailer // known now that the body has ended
	if said.Get("Grpc-Status") == "" {
		said = reply.Header // there was no body
	}
	switch status, message := said.Get("Grpc-Status"), said.Get("Grpc-Message"); {
	case status == "0":
		return nil
	case strings.Contains(message, "duplicate key"):
		return errTwice
	default:
		return fmt.Errorf("gRPC status %q: %s", status, message)
	}
}

func (s *etcdSender) close() {} // the connections stay
