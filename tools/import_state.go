package tools

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// stateEvery is how often the state file is written, at most.
const stateEvery = time.Second

// importState is how far an import has come. It is kept in a file, so that an import that
// was broken off goes on there. Everything up to Mark has been acknowledged.
type importState struct {
	Source  string `json:"source"`
	Cluster string `json:"cluster"` // its incarnation
	Mark    string `json:"mark"`
	Records int64  `json:"records"` // up to Mark
	Refused int64  `json:"refused"` // of them
}

// stateFile keeps the state of one import. With no path it keeps nothing.
type stateFile struct {
	path    string
	written time.Time
}

// read returns the state of an import from the source into the cluster that was broken off.
func (f *stateFile) read(source, cluster string) (importState, error) {
	state := importState{Source: source, Cluster: cluster}
	if f.path == "" {
		return state, nil
	}
	data, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return state, nil
	}
	if err != nil {
		return state, fmt.Errorf("reading the state file: %w", err)
	}
	var kept importState
	if err := json.Unmarshal(data, &kept); err != nil {
		return state, fmt.Errorf("the state file %s is damaged (%w): delete it to begin anew", f.path, err)
	}
	if kept.Source != source {
		return state, fmt.Errorf("the state file %s is of another import, from %q: give another --state, or delete it to begin anew", f.path, kept.Source)
	}
	if kept.Cluster != cluster {
		return state, fmt.Errorf("the state file %s is of an import into another cluster, %q: give another --state, or delete it to begin anew", f.path, kept.Cluster)
	}
	return kept, nil
}

// write saves the state, unless it has just been.
func (f *stateFile) write(state importState) error {
	if time.Since(f.written) < stateEvery {
		return nil
	}
	f.written = time.Now()
	return f.save(state)
}

// save replaces the file, whole or not at all.
func (f *stateFile) save(state importState) error {
	if f.path == "" {
		return nil
	}
	data, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("encoding the state: %w", err)
	}
	next, err := os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".*")
	if err != nil {
		return fmt.Errorf("writing the state file: %w", err)
	}
	_, err = next.Write(append(data, '\n'))
	err = errors.Join(err, next.Close())
	if err == nil {
		err = os.Rename(next.Name(), f.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the state file: %w", err), os.Remove(next.Name()))
	}
	return nil
}

// remove ends what write began: the next import begins anew.
func (f *stateFile) remove() error {
	if f.path == "" {
		return nil
	}
	if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the state file: %w", err)
	}
	return nil
}
