package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
)

// The methods of Tx, each as a transaction of its own. Reads go to the readers without one.

// CreatePool is Tx.CreatePool in a transaction of its own.
func (s *Store) CreatePool(ctx context.Context, p NewPool, actor string) (*Pool, error) {
	return write(ctx, s, func(tx *Tx) (*Pool, error) { return tx.CreatePool(ctx, p, actor) })
}

// GetPool returns a pool by name.
func (s *Store) GetPool(ctx context.Context, name string) (*Pool, error) {
	return s.view().GetPool(ctx, name)
}

// ListPools lists pools by name: those of the names given, or all for nil.
func (s *Store) ListPools(ctx context.Context, names []string, p Page) ([]Pool, string, error) {
	return s.view().ListPools(ctx, names, p)
}

// ListDeployments lists the deployments that match the filter, by name.
func (s *Store) ListDeployments(ctx context.Context, f DeploymentFilter, p Page) ([]Deployment, string, error) {
	return s.view().ListDeployments(ctx, f, p)
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

// GetTemplateVersion returns a version of the pool's template, the newest for 0.
func (s *Store) GetTemplateVersion(ctx context.Context, pool string, version int32) (*TemplateVersion, error) {
	return s.view().GetTemplateVersion(ctx, pool, version)
}

// GetTemplateVersionByID returns a template version.
func (s *Store) GetTemplateVersionByID(ctx context.Context, id uuid.UUID) (*TemplateVersion, error) {
	return s.view().GetTemplateVersionByID(ctx, id)
}

// ListTemplateVersions lists the versions of the pool's template, newest first, without their documents.
func (s *Store) ListTemplateVersions(
	ctx context.Context,
	pool string,
	p Page,
) ([]TemplateVersion, string, error) {
	return s.view().ListTemplateVersions(ctx, pool, p)
}

// ListQueues lists the pool's queues by priority.
func (s *Store) ListQueues(ctx context.Context, pool string) ([]Queue, error) {
	return s.view().ListQueues(ctx, pool)
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

// GetDeployment returns a deployment by name.
func (s *Store) GetDeployment(ctx context.Context, name string) (*Deployment, error) {
	return s.view().GetDeployment(ctx, name)
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

// GetRun returns a run.
func (s *Store) GetRun(ctx context.Context, id uuid.UUID) (*Run, error) {
	return s.view().GetRun(ctx, id)
}

// ListRuns lists runs, newest first.
func (s *Store) ListRuns(ctx context.Context, f RunFilter, p Page) ([]Run, string, error) {
	return s.view().ListRuns(ctx, f, p)
}

// ListAttempts lists the attempts of a run by number.
func (s *Store) ListAttempts(ctx context.Context, runID uuid.UUID) ([]Attempt, error) {
	return s.view().ListAttempts(ctx, runID)
}

// ListEvents lists the events of a run after a sequence number.
func (s *Store) ListEvents(ctx context.Context, runID uuid.UUID, afterSeq int64) ([]Event, error) {
	return s.view().ListEvents(ctx, runID, afterSeq)
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

// GetManifest returns the Job manifest of an attempt as it was reported.
func (s *Store) GetManifest(ctx context.Context, runID uuid.UUID, attempt int32) (json.RawMessage, error) {
	return s.view().GetManifest(ctx, runID, attempt)
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

// GetVariable returns a stored variable.
func (s *Store) GetVariable(ctx context.Context, name string) (*Variable, error) {
	return s.view().GetVariable(ctx, name)
}

// ListVariables lists stored variables by name.
func (s *Store) ListVariables(ctx context.Context, p Page) ([]Variable, string, error) {
	return s.view().ListVariables(ctx, p)
}

// DeleteVariable is Tx.DeleteVariable in a transaction of its own.
func (s *Store) DeleteVariable(ctx context.Context, name, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.DeleteVariable(ctx, name, actor) })
}

// CreateKey is Tx.CreateKey in a transaction of its own.
func (s *Store) CreateKey(ctx context.Context, k Key) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.CreateKey(ctx, k) })
}

// GetKey returns an API key, also one that is revoked or expired.
func (s *Store) GetKey(ctx context.Context, id string) (*Key, error) {
	return s.view().GetKey(ctx, id)
}

// ListKeys lists API keys by name.
func (s *Store) ListKeys(ctx context.Context) ([]Key, error) {
	return s.view().ListKeys(ctx)
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

// ListWorkers lists the workers of a pool, or of all pools for "".
func (s *Store) ListWorkers(ctx context.Context, pool string) ([]Worker, error) {
	return s.view().ListWorkers(ctx, pool)
}

// ListCancels returns which of the attempts that a worker holds are to be cancelled.
func (s *Store) ListCancels(ctx context.Context, worker string, held []Lease) ([]uuid.UUID, error) {
	return s.view().ListCancels(ctx, worker, held)
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

// GetLogSize is how many bytes an attempt has written until now, whether they are still kept or not.
func (s *Store) GetLogSize(ctx context.Context, runID uuid.UUID, attempt int32) (int64, error) {
	return s.view().GetLogSize(ctx, runID, attempt)
}

// ListLogChunks returns output of an attempt, of the newest for 0, from a byte offset on.
func (s *Store) ListLogChunks(
	ctx context.Context,
	runID uuid.UUID,
	attempt int32,
	offset int64,
	limitBytes int,
) ([]LogChunk, error) {
	return s.view().ListLogChunks(ctx, runID, attempt, offset, limitBytes)
}

// ListAttemptStatuses says what the store knows of Jobs found in a cluster, one answer per reference, in order.
func (s *Store) ListAttemptStatuses(
	ctx context.Context,
	refs []AttemptRef,
) ([]AttemptStatus, error) {
	return s.view().ListAttemptStatuses(ctx, refs)
}

// GetStats reads what the metrics show of the database.
func (s *Store) GetStats(ctx context.Context) (*Stats, error) {
	return s.view().GetStats(ctx)
}

// ReleaseLeases is Tx.ReleaseLeases in a transaction of its own.
func (s *Store) ReleaseLeases(ctx context.Context, worker string, leases []Lease) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.ReleaseLeases(ctx, worker, leases) })
}

// ListPoolsOfAttempts returns the names of the work pools that attempts belong to.
func (s *Store) ListPoolsOfAttempts(ctx context.Context, ids []uuid.UUID) ([]string, error) {
	return s.view().ListPoolsOfAttempts(ctx, ids)
}

// GetPoolTypeForWorker returns the type of a pool that has work for workers.
func (s *Store) GetPoolTypeForWorker(ctx context.Context, pool string) (string, error) {
	return s.view().GetPoolTypeForWorker(ctx, pool)
}

// FindRunByIdempotencyKey returns the run that an idempotency key made of the deployment; nil where there is none yet.
func (s *Store) FindRunByIdempotencyKey(ctx context.Context, d *Deployment, key, bodyHash string) (*Run, error) {
	return s.view().FindRunByIdempotencyKey(ctx, d, key, bodyHash)
}

// CountRuns counts runs by state.
func (s *Store) CountRuns(ctx context.Context, f RunFilter) (map[lifecycle.StateType]int64, error) {
	return s.view().CountRuns(ctx, f)
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

// ListAudit lists changes, newest first.
func (s *Store) ListAudit(ctx context.Context, f AuditFilter, p Page) ([]AuditEntry, string, error) {
	return s.view().ListAudit(ctx, f, p)
}

// GetJobKey returns what is known of the keys of an attempt.
func (s *Store) GetJobKey(ctx context.Context, attempt uuid.UUID) (*JobKey, error) {
	return s.view().GetJobKey(ctx, attempt)
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

// GetResultAndProgress returns what the workload of a run has said of itself.
func (s *Store) GetResultAndProgress(ctx context.Context, run uuid.UUID) (ResultAndProgress, error) {
	return s.view().GetResultAndProgress(ctx, run)
}

// CreateAuditRefusal is Tx.CreateAuditRefusal in a transaction of its own.
func (s *Store) CreateAuditRefusal(ctx context.Context, operation, reason, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.CreateAuditRefusal(ctx, operation, reason, actor) })
}

// GetQueue returns a queue of a pool.
func (s *Store) GetQueue(ctx context.Context, pool, name string) (*Queue, error) {
	return s.view().GetQueue(ctx, pool, name)
}

// ListDeploymentSchedules lists the schedules of a deployment by name.
func (s *Store) ListDeploymentSchedules(ctx context.Context, deployment string) ([]Schedule, error) {
	return s.view().ListDeploymentSchedules(ctx, deployment)
}

// ListSchedules lists schedules by deployment and name, of these pools; nil: of all.
func (s *Store) ListSchedules(ctx context.Context, pools []string, p Page) ([]Schedule, string, error) {
	return s.view().ListSchedules(ctx, pools, p)
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

// ListLiveRunsOfSchedule lists the runs of a schedule that have not ended, oldest first.
func (s *Store) ListLiveRunsOfSchedule(ctx context.Context, schedule uuid.UUID) ([]ScheduleRun, error) {
	return s.view().ListLiveRunsOfSchedule(ctx, schedule)
}
