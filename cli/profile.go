package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
)

// profileVariable names a directory in which a node leaves a profile of its processor
// time, NODE.pprof, when it stops: see scripts/profile.sh.
const profileVariable = "HEADCOUNT_CPU_PROFILE"

// startProfile begins a node's profile, unless dir is empty. stop writes it.
func startProfile(dir, node string) (stop func() error, err error) {
	if dir == "" {
		return func() error { return nil }, nil
	}
	file, err := os.Create(filepath.Join(dir, node+".pprof"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", profileVariable, err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", profileVariable, err), file.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return file.Close()
	}, nil
}
