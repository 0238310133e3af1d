package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
)

// childCommand makes the program measure one thing and print it as JSON. It is
// started by the program itself and is no part of the usage.
const childCommand = "child"

// job is one measurement, made in a process of its own so that heaps do not mix.
type job struct {
	Kind     string `json:"kind"`
	Members  int    `json:"members"`
	Segments int    `json:"segments"`
	Seed     uint64 `json:"seed,string"`

	SampleEvery int    `json:"sampleEvery,omitempty"` // memberships between two looks at the memory; 0: none
	Snapshots   bool   `json:"snapshots,omitempty"`   // persisted all the time
	Directory   string `json:"directory,omitempty"`   // for files
	Path        string `json:"path,omitempty"`        // of the snapshot
	Digest      uint64 `json:"digest,string,omitempty"`
	Sizes       []int  `json:"sizes,omitempty"` // memberships at which to look
	Key         string `json:"key,omitempty"`   // of a Go map: string or array
}

// kinds are the measurements by the name of their job.
var kinds = map[string]func(context.Context, job) (any, error){
	"memory":   func(_ context.Context, j job) (any, error) { return measureMemory(j) },
	"segments": func(_ context.Context, j job) (any, error) { return measureSegments(j) },
	"apply":    func(_ context.Context, j job) (any, error) { return measureApply(j) },
	"gc":       func(_ context.Context, j job) (any, error) { return measureGC(j) },
	"stall":    func(_ context.Context, j job) (any, error) { return measureStall(j) },
	"snapshot": func(_ context.Context, j job) (any, error) { return measureSnapshot(j) },
	"persist":  func(_ context.Context, j job) (any, error) { return persistOnly(j) },
	"restore":  func(_ context.Context, j job) (any, error) { return measureRestore(j) },
	"limits":   func(_ context.Context, j job) (any, error) { return measureLimits(j) },
	"gomap":    func(_ context.Context, j job) (any, error) { return measureGoMap(j) },
	"redis":    func(ctx context.Context, j job) (any, error) { return measureRedis(ctx, j) },
}

// runChild is the child's side: it does the job given as an argument.
func runChild(ctx context.Context, argument string) error {
	var j job
	if err := json.Unmarshal([]byte(argument), &j); err != nil {
		return fmt.Errorf("decoding the job: %w", err)
	}
	measure, ok := kinds[j.Kind]
	if !ok {
		return fmt.Errorf("there is no job %q", j.Kind)
	}
	result, err := measure(ctx, j)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

// measure does a job in a child process and decodes what it found.
func measure[T any](ctx context.Context, j job) (*T, error) {
	argument, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("encoding the job %s: %w", j.Kind, err)
	}
	program, err := ownProgram()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	var out bytes.Buffer
	child := exec.CommandContext(ctx, program, childCommand, string(argument))
	child.Stdout, child.Stderr = &out, os.Stderr
	child.SysProcAttr = diesWithParent()
	if err := child.Run(); err != nil {
		return nil, fmt.Errorf("measuring %s of %d memberships: %w", j.Kind, j.Members, err)
	}
	result := new(T)
	if err := json.Unmarshal(out.Bytes(), result); err != nil {
		return nil, fmt.Errorf("decoding what %s found: %w", j.Kind, err)
	}
	return result, nil
}
