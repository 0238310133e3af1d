package pgsink

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"sync"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one step of the schema: from version-1 to version, and back.
type migration struct {
	version  int
	name     string
	up, down string // SQL
}

var migrationName = regexp.MustCompile(`^(\d{4})_(\w+)\.up\.sql$`)

// migrations are all there are, in order: the first has version 1, and none is missing.
var migrations = sync.OnceValues(func() ([]migration, error) {
	paths, err := fs.Glob(migrationFiles, "migrations/*.up.sql") // sorted
	if err != nil {
		return nil, fmt.Errorf("list the migrations: %w", err)
	}
	var all []migration
	for i, path := range paths {
		parts := migrationName.FindStringSubmatch(path[len("migrations/"):])
		if parts == nil {
			return nil, fmt.Errorf("migration %s is not named like 0001_name.up.sql", path)
		}
		m := migration{name: parts[2]}
		if m.version, err = strconv.Atoi(parts[1]); err != nil || m.version != i+1 {
			return nil, fmt.Errorf("migration %s should have number %d", path, i+1)
		}
		for _, half := range []struct {
			sql  *string
			path string
		}{
			{&m.up, path},
			{&m.down, path[:len(path)-len("up.sql")] + "down.sql"},
		} {
			text, err := migrationFiles.ReadFile(half.path)
			if err != nil {
				return nil, fmt.Errorf("read a migration: %w", err)
			}
			*half.sql = string(text)
		}
		all = append(all, m)
	}
	return all, nil
})
