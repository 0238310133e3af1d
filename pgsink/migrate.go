package pgsink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrSchemaNewer says that a newer version of this program has been at the database.
var ErrSchemaNewer = errors.New("the database's schema is newer than this program: update the program, or migrate down with the newer one")

// migrationLock is the key of the advisory lock, "headcnt" in ASCII: of nodes that start
// together one migrates, the others wait and find it done.
const migrationLock int64 = 0x68656164636e74

// MigrateUp brings the database to the newest schema. On a database that has it already it
// only reads. Each migration is a transaction: after an error the ones before it stay.
func MigrateUp(ctx context.Context, url string) error {
	config, err := parseForMigration(url)
	if err != nil {
		return err
	}
	return migrateUp(ctx, config, slog.New(slog.DiscardHandler))
}

// MigrateDown takes back the given number of migrations, at least 1, newest first, and stops
// at an empty schema. Tables go with everything in them. Nodes that still run would bring the
// schema up again: stop them first.
func MigrateDown(ctx context.Context, url string, steps int) error {
	if steps < 1 {
		return fmt.Errorf("migrate down: %d steps: give at least 1", steps)
	}
	config, err := parseForMigration(url)
	if err != nil {
		return err
	}
	return migrating(ctx, config, func(conn *pgx.Conn, version int, all []migration) error {
		for ; steps > 0 && version > 0; steps, version = steps-1, version-1 {
			m := all[version-1]
			if err := step(ctx, conn, m.down, `DELETE FROM headcount_schema WHERE version = $1`, m.version); err != nil {
				return fmt.Errorf("migrate down from version %d (%s): %w", m.version, m.name, err)
			}
		}
		return nil
	})
}

// SchemaVersion returns the database's schema version; 0 for a database without any.
func SchemaVersion(ctx context.Context, url string) (int, error) {
	config, err := parseForMigration(url)
	if err != nil {
		return 0, err
	}
	conn, err := connectToMigrate(ctx, config)
	if err != nil {
		return 0, err
	}
	defer closeConn(conn)
	return readVersion(ctx, conn)
}

func parseForMigration(url string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse the PostgreSQL URL: %w", err)
	}
	limit(config, Options{}.withDefaults())
	return config, nil
}

func migrateUp(ctx context.Context, config *pgx.ConnConfig, logger *slog.Logger) error {
	return migrating(ctx, config, func(conn *pgx.Conn, version int, all []migration) error {
		for _, m := range all[version:] {
			if err := step(ctx, conn, m.up, `INSERT INTO headcount_schema (version, name) VALUES ($1, $2)`, m.version, m.name); err != nil {
				return fmt.Errorf("migrate up to version %d (%s): %w", m.version, m.name, err)
			}
			logger.Info("PostgreSQL's schema migrated", "version", m.version, "name", m.name)
		}
		return nil
	})
}

// migrating calls do under the lock, on a connection of its own, with the version found.
func migrating(ctx context.Context, config *pgx.ConnConfig, do func(*pgx.Conn, int, []migration) error) error {
	all, err := migrations()
	if err != nil {
		return err
	}
	conn, err := connectToMigrate(ctx, config)
	if err != nil {
		return err
	}
	defer closeConn(conn) // and with it the lock, should unlocking fail
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, migrationLock); err != nil {
		return fmt.Errorf("lock the schema: %w", err)
	}
	version, err := readVersion(ctx, conn)
	if err != nil {
		return err
	}
	if version > len(all) {
		return fmt.Errorf("schema version %d, this program knows %d: %w", version, len(all), ErrSchemaNewer)
	}
	if err := do(conn, version, all); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_unlock($1)`, migrationLock); err != nil {
		return fmt.Errorf("unlock the schema: %w", err)
	}
	return nil
}

// connectToMigrate: waiting for another node's migration, and migrating a large table, may
// take longer than any flush. ctx ends both.
func connectToMigrate(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	config = config.Copy()
	config.RuntimeParams["lock_timeout"] = "0"
	config.RuntimeParams["statement_timeout"] = "0"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return conn, nil
}

func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

func readVersion(ctx context.Context, conn *pgx.Conn) (version int, err error) {
	var exists bool
	if err := conn.QueryRow(ctx, `SELECT to_regclass('headcount_schema') IS NOT NULL`).Scan(&exists); err != nil {
		return 0, fmt.Errorf("look for the schema version: %w", err)
	}
	if !exists {
		return 0, nil
	}
	if err := conn.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM headcount_schema`).Scan(&version); err != nil {
		return 0, fmt.Errorf("read the schema version: %w", err)
	}
	return version, nil
}

const sqlVersionTable = `
CREATE TABLE IF NOT EXISTS headcount_schema (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)`

// step is one migration, up or down, and its record: a transaction. A table's lock is not
// waited for as long as the migration may run, because everybody else queues behind.
func step(ctx context.Context, conn *pgx.Conn, migration, record string, arguments ...any) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, sql := range []string{`SET LOCAL lock_timeout = '10s'`, sqlVersionTable, migration} {
			if _, err := tx.Exec(ctx, sql); err != nil { // without arguments: many statements at once
				return err
			}
		}
		_, err := tx.Exec(ctx, record, arguments...)
		return err
	})
}
