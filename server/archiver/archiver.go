// Package archiver moves the output of ended attempts from the database into the archive, and deletes objects of
// the archive that nothing refers to any longer.
//
// Every server runs one. The store hands each output to one of them, under a lease:
//
//	AcquireOutputs ──► Create: upload, read back ──► UpdateArchived ──► DeleteArchived
//	                        │ error                       │ Conflict: another server has it now
//	                        └──► UpdateUploadFailed       └──► Discard
//
// Rows are deleted only after the archive has returned exactly what was stored. A server may end at any point:
// its lease ends, another one uploads to another object, and the first object is deleted later. While the archive
// fails, each server tries one output at a time, less and less often, for ever.
package archiver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/archive"
	"github.com/berth-dev/berth/server/metric"
	"github.com/berth-dev/berth/server/store"
)

const (
	// batch is how many outputs are taken at once, and workers how many are archived at a time. Of large ones,
	// which take the memory of a part of an upload, there are archive.Concurrency at a time.
	batch, workers = 32, 8
	large          = 4 << 20 // bytes of output
	lease          = 5 * time.Minute
	// deleteBatch is how many objects are deleted before that is recorded.
	deleteBatch = 100
	// While the archive fails, it is asked again after pauseMin, twice as long each time, up to pauseMax.
	pauseMin, pauseMax = time.Second, 5 * time.Minute
	// statsInterval is how often what waits is counted.
	statsInterval = 15 * time.Second
)

// Options of an archiver.
type Options struct {
	Store        *store.Store
	Archive      *archive.Archive
	Installation uuid.UUID
	Metrics      *metric.OutputArchive
	Logger       *slog.Logger
	Now          func() time.Time
}

// Archiver archives output. One goroutine uses it.
type Archiver struct {
	Options
	failed  error // the last error of the archive; nil: it works
	pause   time.Duration
	resume  time.Time // when it is asked again
	counted time.Time // when what waits was counted
	large   chan struct{}
}

// New returns an archiver.
func New(o Options) *Archiver {
	return &Archiver{Options: o, large: make(chan struct{}, archive.Concurrency)}
}

// Work archives and deletes what is due. While the archive fails, it returns the error and mostly does nothing.
func (a *Archiver) Work(ctx context.Context) error {
	if err := a.count(ctx); err != nil {
		return err
	}
	if a.failed != nil && a.Now().Before(a.resume) {
		return a.failed
	}
	err := a.archiveDue(ctx)
	if err == nil {
		err = a.deleteDue(ctx)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	a.observe(err)
	return err
}

// failure is an error of the archive.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

func asFailure(err error) error {
	if err == nil {
		return nil
	}
	return failure{err}
}

// observe notes whether the archive works. An error of the database says nothing about it.
func (a *Archiver) observe(err error) {
	if bad := (failure{}); err != nil && !errors.As(err, &bad) {
		return
	}
	a.failed = err
	a.Metrics.SetUp(err == nil)
	if err == nil {
		a.pause = 0
		return
	}
	a.pause = min(max(2*a.pause, pauseMin), pauseMax)
	a.resume = a.Now().Add(a.pause)
}

// count publishes how much waits for the archive.
func (a *Archiver) count(ctx context.Context) error {
	if a.Now().Before(a.counted.Add(statsInterval)) {
		return nil
	}
	stats, err := a.Store.GetOutputStats(ctx)
	if err != nil {
		return err
	}
	a.counted = a.Now()
	a.Metrics.SetWaiting(stats)
	return nil
}

// archiveDue archives until nothing is due. Other output goes on after an error of one; the first is returned.
func (a *Archiver) archiveDue(ctx context.Context) error {
	limit := batch
	if a.failed != nil {
		limit = 1
	}
	for {
		acquired := time.Now()
		uploads, looked, err := a.Store.AcquireOutputs(ctx, limit, lease, a.key)
		if err != nil {
			return err
		}
		work := new(errgroup.Group)
		work.SetLimit(workers)
		for _, u := range uploads {
			work.Go(func() error { return a.archive(ctx, u, acquired) })
		}
		if err := work.Wait(); err != nil || looked < limit || ctx.Err() != nil {
			return err
		}
		limit = batch
	}
}

// key is where an upload goes: in the folder of its hour, so that no folder has too many.
func (a *Archiver) key(o store.Output, now time.Time) string {
	return fmt.Sprintf("%s/%s/%s-%d-%s.zst", a.Installation, now.Format("2006/01/02/15"), o.RunID, o.Number,
		uuid.NewString()[:8])
}

// archive archives one output, and records how that went.
func (a *Archiver) archive(ctx context.Context, u store.OutputUpload, acquired time.Time) error {
	if !u.Pending() {
		return a.Store.DeleteArchived(ctx, u) // the server that archived it ended before
	}
	if u.Size > large {
		a.large <- struct{}{}
		defer func() { <-a.large }()
	}
	finished := false
	size, err := a.upload(ctx, u, acquired)
	if err == nil {
		finished, err = a.Store.UpdateArchived(ctx, u, size)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case store.IsCode(err, store.Conflict):
		a.Logger.Info("discarding an upload of output: another server archives it, or it was deleted",
			"run", u.RunID, "attempt", u.Number)
		return asFailure(a.Archive.Discard(ctx, u.Upload))
	case err != nil:
		return a.fail(ctx, u, err)
	}
	a.Metrics.CountArchived(u.Size-u.ArchivedSize, size)
	if finished {
		return nil
	}
	return a.Store.DeleteArchived(ctx, u)
}

// fail records why an output was not archived.
func (a *Archiver) fail(ctx context.Context, u store.OutputUpload, cause error) error {
	a.Metrics.CountFailure()
	a.Logger.Warn("output not archived, trying again later; it stays in the database", "run", u.RunID,
		"attempt", u.Number, "failures", u.Failures+1, "error", cause)
	err := a.Store.UpdateUploadFailed(ctx, u, cause.Error())
	if err == nil || store.IsCode(err, store.Conflict) {
		return asFailure(cause)
	}
	return errors.Join(asFailure(cause), err)
}

// deleteDue deletes objects until none is due.
func (a *Archiver) deleteDue(ctx context.Context) error {
	for {
		due, err := a.Store.AcquireObjectDeletions(ctx, deleteBatch, lease)
		if err != nil {
			return err
		}
		deleted, err := a.deleteAll(ctx, due)
		err = errors.Join(err, a.Store.DeleteObjectDeletions(ctx, deleted))
		if err != nil || len(due) < deleteBatch {
			return err
		}
	}
}

// deleteAll deletes objects until one fails, and returns the deleted ones. The others are due again when the
// lease ends.
func (a *Archiver) deleteAll(ctx context.Context, due []store.ObjectDeletion) (deleted []string, err error) {
	done := make([]bool, len(due))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(workers)
	for i, d := range due {
		work.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			err := a.delete(ctx, d)
			done[i] = err == nil
			return err
		})
	}
	err = work.Wait()
	for i, d := range due {
		if done[i] {
			deleted = append(deleted, d.Object)
		}
	}
	return deleted, err
}

func (a *Archiver) delete(ctx context.Context, d store.ObjectDeletion) error {
	remove := a.Archive.Delete
	if !d.Whole {
		remove = a.Archive.Discard
	}
	err := remove(ctx, d.Object)
	if err == nil {
		a.Metrics.CountDeleted()
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	a.Metrics.CountFailure()
	err = asFailure(err)
	a.Logger.Warn("object of archived output not deleted, trying again later", "object", d.Object, "failures", d.Tries+1,
		"error", err)
	return errors.Join(err, a.Store.UpdateObjectDeletionFailed(ctx, d, err.Error()))
}
