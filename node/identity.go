package node

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"headcount/transport"
)

// identity is what makes a data directory that of one node: who it is, how often
// it has started, and which groups it has opened. It is kept in identity.json.
type identity struct {
	ID       string   `json:"id"`
	Cluster  string   `json:"cluster"`  // the name of the cluster whose data this is
	Instance string   `json:"instance"` // 32 hexadecimal digits, drawn once
	Epoch    uint64   `json:"epoch"`    // starts so far, this one included
	Groups   []string `json:"groups"`   // opened before: their data must be there

	dir  string
	lock *os.File
	mu   sync.Mutex // guards Groups, and the file
}

// openIdentity locks the data directory and counts this start.
func openIdentity(dir, id, cluster string) (*identity, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	who := &identity{ID: id, Cluster: cluster, dir: dir, lock: lock}
	if err := who.load(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return who, nil
}

func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "LOCK"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("data directory %s is in use by another process: stop it first (%w)", dir, err)
	}
	return f, nil
}

func (w *identity) load() error {
	data, err := os.ReadFile(w.path())
	switch {
	case errors.Is(err, os.ErrNotExist):
		var instance transport.Instance
		if _, err := rand.Read(instance[:]); err != nil {
			return err
		}
		w.Instance = hex.EncodeToString(instance[:])
	case err != nil:
		return fmt.Errorf("reading the node's identity: %w", err)
	default:
		var old identity
		if err := json.Unmarshal(data, &old); err != nil {
			return fmt.Errorf("the node's identity in %s is damaged: %w", w.path(), err)
		}
		if old.ID != w.ID {
			return fmt.Errorf("data directory %s belongs to node %s, not %s: give each node its own", w.dir, old.ID, w.ID)
		}
		if old.Cluster != w.Cluster {
			return fmt.Errorf("data directory %s belongs to cluster %q, not %q: give this node another one, or correct cluster.name", w.dir, old.Cluster, w.Cluster)
		}
		w.Instance, w.Epoch, w.Groups = old.Instance, old.Epoch, old.Groups
	}
	if _, err := parseInstance(w.Instance); err != nil {
		return fmt.Errorf("the node's identity in %s is damaged: %w", w.path(), err)
	}
	w.Epoch++
	return w.save()
}

// remember notes that a group has data here from now on.
func (w *identity) remember(group string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if slices.Contains(w.Groups, group) {
		return nil
	}
	w.Groups = append(w.Groups, group)
	return w.save()
}

func (w *identity) knows(group string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.Groups, group)
}

func (w *identity) path() string { return filepath.Join(w.dir, "identity.json") }

// save replaces the file as a whole, and returns when it is on disk.
func (w *identity) save() error {
	data, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFileSync(w.path(), data); err != nil {
		return fmt.Errorf("keeping the node's identity: %w", err)
	}
	return nil
}

// writeFileSync replaces a file so that after a crash either the old or the new
// content is there, and the new one once it has returned.
func writeFileSync(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (w *identity) close() error { return w.lock.Close() }

func (w *identity) instance() transport.Instance {
	i, _ := parseInstance(w.Instance) // checked when loaded
	return i
}

func parseInstance(text string) (i transport.Instance, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(i) {
		return i, fmt.Errorf("instance %q is not %d hexadecimal digits", text, 2*len(i))
	}
	return transport.Instance(b), nil
}
