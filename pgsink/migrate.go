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
	return migrating(ctx, config, func(tx pgx.Tx, version int, all []migration) (done bool, err error) {
		if steps == 0 || version == 0 {
			return true, nil
		}
		steps--
		m := all[version-1]
		if err := step(ctx, tx, m.down, `DELETE FROM headcount_schema WHERE version = $1`, m.version); err != nil {
			return false, fmt.Errorf("migrate down from version %d (%s): %w", m.version, m.name, err)
		}
		return false, nil
	})
}

// SchemaVersion returns the database's schema version; 0 for a database without any.
func SchemaVersion(ctx context.Context, url string) (int, error) {
	config, err := parseForMigration(url)
	if err != nil {
		return 0, err
	}
	return currentVersion(ctx, config)
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
	at, err := currentVersion(ctx, config)
	if err != nil {
		return err
	}
	if all, err := migrations(); err != nil || at == len(all) {
		return err
	}
	return migrating(ctx, config, func(tx pgx.Tx, version int, all []migration) (done bool, err error) {
		if version == len(all) {
			return true, nil
		}
		m := all[version]
		if err := step(ctx, tx, m.up, `INSERT INTO headcount_schema (version, name) VALUES ($1, $2)`, m.version, m.name); err != nil {
			return false, fmt.Errorf("migrate up to version %d (%s): %w", m.version, m.name, err)
		}
		logger.Info("PostgreSQL's schema migrates", "version", m.version, "name", m.name)
		return false, nil
	})
}

// migrating calls do with the version found, in one transaction after the other, until it
// is done. Each holds the lock, which ends with it: so it is in good hands with a pooler
// that gives every transaction another connection.
func migrating(ctx context.Context, config *pgx.ConnConfig, do func(tx pgx.Tx, version int, all []migration) (done bool, err error)) error {
	all, err := migrations()
	if err != nil {
		return err
	}
	conn, err := connectToMigrate(ctx, config)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	for done := false; !done; {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			// Waiting for another node's migration, and migrating a large table, may take
			// longer than any flush. ctx ends both.
			if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0`); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, migrationLock); err != nil {
				return fmt.Errorf("lock the schema: %w", err)
			}
			version, err := readVersion(ctx, tx)
			if err != nil {
				return err
			}
			if version > len(all) {
				return fmt.Errorf("schema version %d, this program knows %d: %w", version, len(all), ErrSchemaNewer)
			}
			done, err = do(tx, version, all)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// currentVersion returns the schema's version. It only reads.
func currentVersion(ctx context.Context, config *pgx.ConnConfig) (int, error) {
	conn, err := connectToMigrate(ctx, config)
	if err != nil {
		return 0, err
	}
	defer closeConn(conn)
	return readVersion(ctx, conn)
}

func connectToMigrate(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
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

// asker is a connection or a transaction.
type asker interface {
	QueryRow(ctx context.Context, sql string, arguments ...any) pgx.Row
}

func readVersion(ctx context.Context, from asker) (version int, err error) {
	var exists bool
	if err := from.QueryRow(ctx, `SELECT to_regclass('headcount_schema') IS NOT NULL`).Scan(&exists); err != nil {
		return 0, fmt.Errorf("look for the schema version: %w", err)
	}
	if !exists {
		return 0, nil
	}
	if err := from.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM headcount_schema`).Scan(&version); err != nil {
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

// step is one migration, up or down, and its record. A table's lock is not waited for as
// long as the migration may run, because everybody else queues behind.
func step(ctx context.Context, tx pgx.Tx, migration, record string, arguments ...any) error {
	for _, sql := range []string{`SET LOCAL lock_timeout = '10s'`, sqlVersionTable, migration} {
		if _, err := tx.Exec(ctx, sql); err != nil { // without arguments: many statements at once
			return err
		}
	}
	_, err := tx.Exec(ctx, record, arguments...)
	return err
}
