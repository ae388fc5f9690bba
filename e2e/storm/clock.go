package main

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-dev/berth/e2e/storm/journal"
)

// clockSQL puts functions before the ones of the same names that servers read the time with, and adds what a table says.
// Tables that servers make at runtime still go into public.
const clockSQL = `
CREATE TABLE public.storm_clock (ahead INTERVAL NOT NULL);
INSERT INTO public.storm_clock VALUES ('0');
CREATE FUNCTION public.clock_timestamp() RETURNS TIMESTAMPTZ LANGUAGE sql VOLATILE AS
	'SELECT pg_catalog.clock_timestamp() + (SELECT ahead FROM public.storm_clock)';
CREATE FUNCTION public.statement_timestamp() RETURNS TIMESTAMPTZ LANGUAGE sql STABLE AS
	'SELECT pg_catalog.statement_timestamp() + (SELECT ahead FROM public.storm_clock)';
ALTER DATABASE ` + databaseName + ` SET search_path = public, pg_catalog`

// createClock makes the database's clock one that can be moved, for connections from now on.
func (s *site) createClock(ctx context.Context) error {
	if _, err := s.db.ExecContext(ctx, clockSQL); err != nil {
		return fmt.Errorf("make the clock movable: %w", err)
	}
	return nil
}

// setClock sets how far the database's clock is ahead. It tries until it has: the time of the move is then the time of all
// tries.
func (s *site) setClock(ctx context.Context, ahead time.Duration) error {
	sent := s.journal.Now()
	for {
		_, err := s.db.ExecContext(ctx, "UPDATE public.storm_clock SET ahead = $1 * INTERVAL '1 microsecond'",
			ahead.Microseconds())
		if err == nil {
			break
		}
		if !pause(ctx, 100*time.Millisecond) {
			return fmt.Errorf("move the clock: %w", err)
		}
	}
	if ahead == s.ahead {
		return nil
	}
	s.journal.Add(journal.Entry{Sent: sent, Kind: journal.Jumped, Who: "faults", By: ahead - s.ahead})
	s.ahead = ahead
	return nil
}
