package pgsink

import (
	"context"
	"fmt"
	"sync/atomic"
)

// schema remembers that the database's schema was brought up to date.
type schema struct {
	turn  chan struct{} // capacity 1: a token, held by the one Run that looks after it
	known atomic.Bool
}

func newSchema() schema { return schema{turn: make(chan struct{}, 1)} }

// forget is called when the schema turns out to be missing: a new database.
func (s *schema) forget() { s.known.Store(false) }

// ensureSchema migrates, once for all Runs of the Sink.
func (s *Sink) ensureSchema(ctx context.Context) error {
	if s.schema.known.Load() {
		return nil
	}
	select {
	case s.schema.turn <- struct{}{}:
		defer func() { <-s.schema.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.schema.known.Load() {
		return nil
	}
	if err := migrateUp(ctx, s.config, s.o.Logger); err != nil {
		return err
	}
	if err := s.checkDurability(ctx); err != nil {
		return err
	}
	s.schema.known.Store(true)
	return nil
}

// checkDurability warns of settings under which PostgreSQL may forget, or not take, what
// the cluster has been told is safe. They are the administrator's choice: no more is done.
func (s *Sink) checkDurability(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.roundTripMax())
	defer cancel()
	var commit, fsync, encoding, isolation string
	err := s.pool.QueryRow(ctx, `SELECT current_setting('synchronous_commit'), current_setting('fsync'), current_setting('server_encoding'),
		current_setting('default_transaction_isolation')`).Scan(&commit, &fsync, &encoding, &isolation)
	if err != nil {
		return fmt.Errorf("read PostgreSQL's settings: %w", err)
	}
	if commit == "off" || fsync == "off" {
		s.o.Logger.Warn("a crash of PostgreSQL may lose memberships that were acknowledged: turn synchronous_commit and fsync on",
			"synchronous_commit", commit, "fsync", fsync)
	}
	if isolation != "read committed" {
		return fmt.Errorf("transactions begin at isolation %q, and the upsert is written for \"read committed\": set default_transaction_isolation for the role", isolation)
	}
	if encoding != "UTF8" {
		s.o.Logger.Warn("the database's encoding is not UTF8: names it cannot store will go to the quarantine", "server_encoding", encoding)
	}
	return nil
}
