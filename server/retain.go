package server

import (
	"context"
	"time"

	"github.com/berth-dev/berth/server/metric"
	"github.com/berth-dev/berth/server/store"
)

// Defaults of for how long things are kept, and of how often that is looked at.
const (
	DefaultKeepRuns  = 90 * 24 * time.Hour
	DefaultKeepLogs  = 30 * 24 * time.Hour
	DefaultKeepAudit = 365 * 24 * time.Hour
	// KeepForever keeps things until they are deleted by hand.
	KeepForever       = time.Duration(-1)
	defaultRetainEach = time.Minute
)

// kept is how long an option keeps something: its default where it is the zero value, 0 for ever.
func kept(option, otherwise time.Duration) time.Duration {
	switch {
	case option < 0:
		return 0
	case option == 0:
		return otherwise
	}
	return option
}

func (o Options) keep() store.Retention {
	return store.Retention{
		Runs: kept(
			o.KeepRuns,
			DefaultKeepRuns,
		), Logs: kept(o.KeepLogs, DefaultKeepLogs), Audit: kept(o.KeepAudit, DefaultKeepAudit),
	}
}

// retain removes what was kept for long enough.
func (s *server) retain(counts *metric.Retention) func(context.Context) error {
	keep := s.keep()
	return func(ctx context.Context) error {
		removed, err := s.store.Expire(ctx, keep)
		counts.Add(removed)
		if removed.Any() {
			s.Logger.Info(
				"removed what was kept for long enough",
				"runs",
				removed.Runs,
				"log_chunks",
				removed.LogChunks,
				"log_partitions",
				removed.LogPartitions,
				"audit",
				removed.Audit,
			)
		}
		return err
	}
}
