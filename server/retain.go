package server

import (
	"context"
	"errors"
	"time"

	"github.com/berth-dev/berth/server/metric"
	"github.com/berth-dev/berth/server/store"
)

// Default retention periods, and how often expired objects are removed.
const (
	DefaultKeepRuns  = 90 * 24 * time.Hour
	DefaultKeepLogs  = 30 * 24 * time.Hour
	DefaultKeepAudit = 365 * 24 * time.Hour
	// DefaultKeepDeleted is for how long deleted objects can be restored.
	DefaultKeepDeleted = 30 * 24 * time.Hour
	// DefaultKeepStatistics is for how long hourly counts stay.
	DefaultKeepStatistics = 400 * 24 * time.Hour
	// KeepForever disables the removal of expired objects.
	KeepForever        = time.Duration(-1)
	defaultRetainEvery = time.Minute
)

// retentionPeriod returns the period of an option: its default if it is 0; 0 means forever.
func retentionPeriod(option, defaultPeriod time.Duration) time.Duration {
	switch {
	case option < 0:
		return 0
	case option == 0:
		return defaultPeriod
	}
	return option
}

func (o Options) retention() store.Retention {
	return store.Retention{
		Runs:       retentionPeriod(o.KeepRuns, DefaultKeepRuns),
		Logs:       retentionPeriod(o.KeepLogs, DefaultKeepLogs),
		Audit:      retentionPeriod(o.KeepAudit, DefaultKeepAudit),
		Deleted:    retentionPeriod(o.KeepDeleted, DefaultKeepDeleted),
		Statistics: retentionPeriod(o.KeepStatistics, DefaultKeepStatistics),
	}
}

// expire returns a function that makes partitions of runs ahead, and removes expired objects unless the database's clock
// cannot be trusted.
func (s *server) expire(clock *databaseClock, counts *metric.Retention) func(context.Context) error {
	retention := s.retention()
	return func(ctx context.Context) error {
		ahead := s.makePartitions(ctx, counts)
		if err := clock.look(ctx); err != nil || !clock.removes() {
			return errors.Join(ahead, err)
		}
		removed, err := s.store.Expire(ctx, retention)
		counts.Add(removed)
		if removed.Any() {
			s.Logger.Info("removed expired objects", "runs", removed.Runs, "run_partitions", removed.RunPartitions,
				"log_chunks", removed.LogChunks, "log_partitions", removed.LogPartitions,
				"output_objects", removed.OutputObjects, "audit", removed.Audit, "sessions", removed.Sessions,
				"deleted", removed.Deleted, "approvals", removed.Approvals, "statistics", removed.Statistics)
		}
		return errors.Join(ahead, err)
	}
}

// makePartitions makes partitions of runs ahead, where runs are partitioned.
func (s *server) makePartitions(ctx context.Context, counts *metric.Retention) error {
	if err := s.store.MaintainPartitions(ctx); err != nil {
		return err
	}
	layout, err := s.store.GetRunLayout(ctx)
	counts.SetLayout(layout)
	return err
}
