package pglocal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// superuser is the only role of a private PostgreSQL, database the one that
// initdb makes.
const (
	superuser = "headcount"
	database  = "postgres"
)

// create runs initdb where there is no database yet. It works aside and renames
// at the end, so that a half-made database is never taken for one.
func create(ctx context.Context, h home, binDir string, a account) error {
	_, err := os.Stat(h.data())
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for the database: %w", err)
	}
	if err := os.RemoveAll(h.unfinished()); err != nil {
		return fmt.Errorf("remove a half-made database: %w", err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(binDir, "initdb"),
		"--pgdata="+h.unfinished(),
		"--username="+superuser,
		"--pwfile="+h.password(),
		"--auth=scram-sha-256",
		"--encoding=UTF8",
		"--locale=C",
	)
	cmd.Dir = string(h)
	cmd.Env = environment(string(h))
	if said, err := runAs(cmd, a); err != nil {
		return fmt.Errorf("create the database with initdb: %w: %s", err, lastWords(said))
	}
	if err := os.Rename(h.unfinished(), h.data()); err != nil {
		return fmt.Errorf("put the new database in place: %w", err)
	}
	dir, err := os.Open(string(h))
	if err != nil {
		return fmt.Errorf("open the directory to sync it: %w", err)
	}
	defer func() { _ = dir.Close() }()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("sync the directory: %w", err)
	}
	return nil
}

// lastWords is the end of what a program said, short enough for an error.
func lastWords(said []byte) []byte {
	const bytesMax = 2000
	if len(said) > bytesMax {
		said = said[len(said)-bytesMax:]
	}
	return said
}
