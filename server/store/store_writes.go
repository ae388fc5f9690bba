package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// The methods of Tx, each as a transaction of its own. Reads go to the readers without one.

// CreatePool is Tx.CreatePool in a transaction of its own.
func (s *Store) CreatePool(ctx context.Context, p NewPool, actor string) (*Pool, error) {
	return write(ctx, s, func(tx *Tx) (*Pool, error) { return tx.CreatePool(ctx, p, actor) })
}

// UpdatePool is Tx.UpdatePool in a transaction of its own.
func (s *Store) UpdatePool(ctx context.Context, name string, c PoolUpdate, actor string) (*Pool, error) {
	return write(ctx, s, func(tx *Tx) (*Pool, error) { return tx.UpdatePool(ctx, name, c, actor) })
}

// DeletePool is Tx.DeletePool in a transaction of its own.
func (s *Store) DeletePool(ctx context.Context, name string, force bool, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.DeletePool(ctx, name, force, actor) })
}

// UpdateTemplate is Tx.UpdateTemplate in a transaction of its own.
func (s *Store) UpdateTemplate(
	ctx context.Context,
	pool string,
	doc TemplateDocument,
	ifMatch *int32,
	actor string,
) (*TemplateVersion, error) {
	return write(
		ctx,
		s,
		func(tx *Tx) (*TemplateVersion, error) { return tx.UpdateTemplate(ctx, pool, doc, ifMatch, actor) },
	)
}

// CreateQueue is Tx.CreateQueue in a transaction of its own.
func (s *Store) CreateQueue(ctx context.Context, q Queue, actor string) (*Queue, error) {
	return write(ctx, s, func(tx *Tx) (*Queue, error) { return tx.CreateQueue(ctx, q, actor) })
}

// UpsertDeployment is Tx.UpsertDeployment in a transaction of its own.
func (s *Store) UpsertDeployment(
	ctx context.Context,
	d Deployment,
	actor string,
) (put *Deployment, created bool, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		put, created, err = tx.UpsertDeployment(ctx, d, actor)
		return err
	})
	return put, created, err
}

// UpdateDeploymentPaused is Tx.UpdateDeploymentPaused in a transaction of its own.
func (s *Store) UpdateDeploymentPaused(
	ctx context.Context,
	name string,
	paused bool,
	actor string,
) (*Deployment, error) {
	return write(
		ctx,
		s,
		func(tx *Tx) (*Deployment, error) { return tx.UpdateDeploymentPaused(ctx, name, paused, actor) },
	)
}

// DeleteDeployment is Tx.DeleteDeployment in a transaction of its own.
func (s *Store) DeleteDeployment(ctx context.Context, name string, force bool, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.DeleteDeployment(ctx, name, force, actor) })
}

// CreateRun is Tx.CreateRun in a transaction of its own.
func (s *Store) CreateRun(ctx context.Context, n NewRun, actor string) (run *Run, existed bool, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		run, existed, err = tx.CreateRun(ctx, n, actor)
		return err
	})
	return run, existed, err
}

// CreateRuns is Tx.CreateRuns in a transaction of its own.
func (s *Store) CreateRuns(
	ctx context.Context,
	deployment string,
	runs []NewRun,
	actor string,
) ([]CreatedRun, error) {
	return write(
		ctx,
		s,
		func(tx *Tx) ([]CreatedRun, error) { return tx.CreateRuns(ctx, deployment, runs, actor) },
	)
}

// CancelRun is Tx.CancelRun in a transaction of its own.
func (s *Store) CancelRun(ctx context.Context, id uuid.UUID, actor string) (*Run, error) {
	return write(ctx, s, func(tx *Tx) (*Run, error) { return tx.CancelRun(ctx, id, actor) })
}

// AbandonRun is Tx.AbandonRun in a transaction of its own.
func (s *Store) AbandonRun(ctx context.Context, id uuid.UUID, actor string) (*Run, error) {
	return write(ctx, s, func(tx *Tx) (*Run, error) { return tx.AbandonRun(ctx, id, actor) })
}

// RetryRun is Tx.RetryRun in a transaction of its own.
func (s *Store) RetryRun(ctx context.Context, id uuid.UUID, actor string) (*Run, error) {
	return write(ctx, s, func(tx *Tx) (*Run, error) { return tx.RetryRun(ctx, id, actor) })
}

// UpsertVariable is Tx.UpsertVariable in a transaction of its own.
func (s *Store) UpsertVariable(
	ctx context.Context,
	name string,
	value json.RawMessage,
	actor string,
) (*Variable, error) {
	return write(ctx, s, func(tx *Tx) (*Variable, error) { return tx.UpsertVariable(ctx, name, value, actor) })
}

// DeleteVariable is Tx.DeleteVariable in a transaction of its own.
func (s *Store) DeleteVariable(ctx context.Context, name, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.DeleteVariable(ctx, name, actor) })
}

// CreateKey is Tx.CreateKey in a transaction of its own.
func (s *Store) CreateKey(ctx context.Context, k Key) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.CreateKey(ctx, k) })
}

// RevokeKey is Tx.RevokeKey in a transaction of its own.
func (s *Store) RevokeKey(ctx context.Context, idOrName, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.RevokeKey(ctx, idOrName, actor) })
}

// UpsertKey is Tx.UpsertKey in a transaction of its own.
func (s *Store) UpsertKey(ctx context.Context, k Key) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.UpsertKey(ctx, k) })
}

// UpdateKeyLastUsed is Tx.UpdateKeyLastUsed in a transaction of its own.
func (s *Store) UpdateKeyLastUsed(ctx context.Context, id string, at time.Time) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.UpdateKeyLastUsed(ctx, id, at) })
}

// UpsertWorker is Tx.UpsertWorker in a transaction of its own.
func (s *Store) UpsertWorker(ctx context.Context, w Worker) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.UpsertWorker(ctx, w) })
}

// RenewLeases is Tx.RenewLeases in a transaction of its own.
func (s *Store) RenewLeases(
	ctx context.Context,
	worker string,
	leases []Lease,
	d time.Duration,
) (lost, cancels []uuid.UUID, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		lost, cancels, err = tx.RenewLeases(ctx, worker, leases, d)
		return err
	})
	return lost, cancels, err
}

// Report is Tx.Report in a transaction of its own.
func (s *Store) Report(ctx context.Context, worker string, reports []Report) ([]ReportResult, error) {
	return write(ctx, s, func(tx *Tx) ([]ReportResult, error) { return tx.Report(ctx, worker, reports) })
}

// AppendLogs is Tx.AppendLogs in a transaction of its own.
func (s *Store) AppendLogs(ctx context.Context, chunks []LogChunk) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.AppendLogs(ctx, chunks) })
}

// ReleaseLeases is Tx.ReleaseLeases in a transaction of its own.
func (s *Store) ReleaseLeases(ctx context.Context, worker string, leases []Lease) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.ReleaseLeases(ctx, worker, leases) })
}

// UpdateQueue is Tx.UpdateQueue in a transaction of its own.
func (s *Store) UpdateQueue(
	ctx context.Context,
	pool, name string,
	c QueueUpdate,
	actor string,
) (*Queue, error) {
	return write(ctx, s, func(tx *Tx) (*Queue, error) { return tx.UpdateQueue(ctx, pool, name, c, actor) })
}

// DeleteQueue is Tx.DeleteQueue in a transaction of its own.
func (s *Store) DeleteQueue(ctx context.Context, pool, name, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.DeleteQueue(ctx, pool, name, actor) })
}

// UpdateWorkerPaused is Tx.UpdateWorkerPaused in a transaction of its own.
func (s *Store) UpdateWorkerPaused(
	ctx context.Context,
	pool, name string,
	paused bool,
	actor string,
) (*Worker, error) {
	return write(
		ctx,
		s,
		func(tx *Tx) (*Worker, error) { return tx.UpdateWorkerPaused(ctx, pool, name, paused, actor) },
	)
}

// UpsertResult is Tx.UpsertResult in a transaction of its own.
func (s *Store) UpsertResult(
	ctx context.Context,
	run, attempt uuid.UUID,
	value json.RawMessage,
) (*Result, error) {
	return write(ctx, s, func(tx *Tx) (*Result, error) { return tx.UpsertResult(ctx, run, attempt, value) })
}

// UpsertProgress is Tx.UpsertProgress in a transaction of its own.
func (s *Store) UpsertProgress(
	ctx context.Context,
	run, attempt uuid.UUID,
	percent *float64,
	message string,
) (*Progress, error) {
	return write(
		ctx,
		s,
		func(tx *Tx) (*Progress, error) { return tx.UpsertProgress(ctx, run, attempt, percent, message) },
	)
}

// CreateAuditRefusal is Tx.CreateAuditRefusal in a transaction of its own.
func (s *Store) CreateAuditRefusal(ctx context.Context, operation, reason, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.CreateAuditRefusal(ctx, operation, reason, actor) })
}

// UpdateSchedules is Tx.UpdateSchedules in a transaction of its own.
func (s *Store) UpdateSchedules(
	ctx context.Context,
	deployment string,
	wanted []NewSchedule,
	actor string,
) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.UpdateSchedules(ctx, deployment, wanted, actor) })
}

// UpdateScheduleActive is Tx.UpdateScheduleActive in a transaction of its own.
func (s *Store) UpdateScheduleActive(
	ctx context.Context,
	deployment, name string,
	active bool,
	actor string,
) (*Schedule, error) {
	return write(
		ctx,
		s,
		func(tx *Tx) (*Schedule, error) { return tx.UpdateScheduleActive(ctx, deployment, name, active, actor) },
	)
}

// UpdateScheduleProgress is Tx.UpdateScheduleProgress in a transaction of its own.
func (s *Store) UpdateScheduleProgress(ctx context.Context, o ScheduleProgress) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.UpdateScheduleProgress(ctx, o) })
}
