package server

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/archive"
	"github.com/berth-dev/berth/server/archiver"
	"github.com/berth-dev/berth/server/metric"
)

const (
	archiveInterval = 5 * time.Second
	// archiveCheckTimeout bounds the check of the archive at startup.
	archiveCheckTimeout = 30 * time.Second
)

// openArchive opens the output archive, nil if there is none. It does not reach out to it.
func (o Options) openArchive() (*archive.Archive, error) {
	if o.OutputArchive.URL == "" {
		return nil, nil
	}
	return archive.Open(o.OutputArchive)
}

// archiveOutput returns the loop that archives output. It first says whether the archive works; the server serves
// in any case.
func (s *server) archiveOutput(installation uuid.UUID) func(context.Context) error {
	metrics := metric.NewOutputArchive(s.registry)
	work := archiver.New(archiver.Options{
		Store: s.store, Archive: s.archive, Installation: installation, Metrics: metrics, Logger: s.Logger, Now: s.Now,
	})
	loop := s.repeat("output archive", archiveInterval, work.Work)
	return func(ctx context.Context) error {
		checking, cancel := context.WithTimeout(ctx, archiveCheckTimeout)
		defer cancel()
		err := s.archive.Check(checking, installation.String())
		metrics.SetUp(err == nil)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			s.Logger.Error("the output archive does not work; output stays in the database until it does", "error", err)
		default:
			s.Logger.Info("archiving output", "archive", s.archive.String())
		}
		return loop(ctx)
	}
}
