package config

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// PostgresURLEnv names the environment variable that fills postgres.url where
// the file leaves it empty, so that a password need not stand in a file.
const PostgresURLEnv = "HEADCOUNT_POSTGRES_URL"

// fileBytesMax bounds what Parse looks at: some thousand nodes with comments.
const fileBytesMax = 1 * mib

// Load reads and parses the file at path. An empty postgres.url is then filled
// from the environment, see [PostgresURLEnv]: the only thing taken from there.
// Errors are those of [Parse], of reading the file, and of the variable's value.
func Load(path string) (*Config, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the cluster file: %w", err)
	}
	c, err := Parse(path, data)
	if err != nil {
		return nil, err
	}
	if c.Postgres.URL == "" {
		url := os.Getenv(PostgresURLEnv)
		if err := checkPostgresURL(url); err != nil {
			return nil, fmt.Errorf("environment variable %s: %w", PostgresURLEnv, err)
		}
		c.Postgres.URL = url
	}
	return c, nil
}

// readFile reads one byte more than Parse accepts at most, so that Parse refuses
// a longer file and an endless one does not fill the memory.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, fileBytesMax+1))
	return data, errors.Join(err, file.Close())
}

// Parse reads a cluster file's content and looks at nothing else. The name is
// the file's in messages. The error joins a [*Problem] for each thing found
// wrong, in the order of their lines.
func Parse(name string, data []byte) (*Config, error) {
	c := Default()
	r := newReader(name)
	if root := r.document(data); root != nil {
		r.mapping("", root, keys(c))
		r.rules(c)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return c, nil
}
