package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/store"
)

const (
	// batchSize is how many schedules a server reserves at a time.
	batchSize = 100
	// reservation is for how long. After it another server takes the schedule.
	reservation = 15 * time.Second
	// parallel is how many schedules a server decides at the same time.
	parallel = 8
	// parallelInPool is how many of them are of one work pool, so that slow rules or a slow template of one leave
	// room for others.
	parallelInPool = 4
	// decisionTime bounds the decision of one schedule, and batchTime that of a batch: what is not decided then is
	// tried again after its reservation, and the schedules of others come first.
	decisionTime = 5 * time.Second
	batchTime    = 10 * time.Second
)

// Scheduler creates the runs of due schedules.
type Scheduler struct {
	store   *store.Store
	runs    *newrun.Creator
	logger  *slog.Logger
	created func(pool string, late time.Duration)
}

// New makes a Scheduler. It calls created with each run that it creates, and by how much that was late.
func New(
	s *store.Store, runs *newrun.Creator, created func(pool string, late time.Duration), logger *slog.Logger,
) *Scheduler {
	return &Scheduler{store: s, runs: runs, created: created, logger: logger}
}

// RunDue creates the runs of all slots that are due. It returns the errors of all schedules that failed; each
// of them is tried again when its reservation ends.
func (s *Scheduler) RunDue(ctx context.Context) error {
	var failed []error
	for {
		due, now, err := s.store.AcquireDueSchedules(ctx, batchSize, reservation)
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		failed = append(failed, s.decideAll(ctx, due, now)...)
		if len(due) < batchSize {
			return errors.Join(failed...)
		}
	}
}

// decideAll decides schedules in parallel and returns their errors. A schedule that fails does not stop
// others.
func (s *Scheduler) decideAll(ctx context.Context, due []store.Schedule, now time.Time) []error {
	ctx, cancel := context.WithTimeout(ctx, batchTime)
	defer cancel()
	var group errgroup.Group
	room := newRoom(parallel, parallelInPool)
	failed := make([]error, len(due))
	for i, record := range due {
		group.Go(func() error {
			leave, err := room.enter(ctx, record.Pool)
			if err != nil {
				failed[i] = fmt.Errorf("schedule %q of deployment %q waited for others: %w", record.Name,
					record.Deployment, err)
				return nil
			}
			defer leave()
			ctx, cancel := context.WithTimeout(ctx, decisionTime)
			defer cancel()
			if err := s.decide(ctx, record, now); err != nil {
				failed[i] = fmt.Errorf(
					"schedule %q of deployment %q: %w",
					record.Name,
					record.Deployment,
					err,
				)
			}
			return nil
		})
	}
	_ = group.Wait() // always nil: each error is in failed
	return slices.DeleteFunc(failed, func(err error) bool { return err == nil })
}
