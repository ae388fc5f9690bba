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

// ListPools lists pools by name.
func (s *Store) ListPools(ctx context.Context, p Page) ([]Pool, string, error) {
	return s.view().ListPools(ctx, p)
}

// ListPoolsOf lists pools of these names.
func (s *Store) ListPoolsOf(ctx context.Context, names []string, p Page) ([]Pool, string, error) {
	return s.view().ListPoolsOf(ctx, names, p)
}

// UpdatePool is Tx.UpdatePool in a transaction of its own.
func (s *Store) UpdatePool(ctx context.Context, name string, c PoolChange, actor string) (*Pool, error) {
	return write(ctx, s, func(tx *Tx) (*Pool, error) { return tx.UpdatePool(ctx, name, c, actor) })
}

// DeletePool is Tx.DeletePool in a transaction of its own.
func (s *Store) DeletePool(ctx context.Context, name string, force bool, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.DeletePool(ctx, name, force, actor) })
}

// SaveTemplate is Tx.SaveTemplate in a transaction of its own.
func (s *Store) SaveTemplate(
	ctx context.Context,
	pool string,
	doc TemplateDoc,
	ifMatch *int32,
	actor string,
) (*TemplateVersion, error) {
	return write(
		ctx,
		s,
		func(tx *Tx) (*TemplateVersion, error) { return tx.SaveTemplate(ctx, pool, doc, ifMatch, actor) },
	)
}

// GetTemplate returns a version of the pool's template, the newest for 0.
func (s *Store) GetTemplate(ctx context.Context, pool string, version int32) (*TemplateVersion, error) {
	return s.view().GetTemplate(ctx, pool, version)
}

// GetTemplateByID returns a template version.
func (s *Store) GetTemplateByID(ctx context.Context, id uuid.UUID) (*TemplateVersion, error) {
	return s.view().GetTemplateByID(ctx, id)
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

// PutDeployment is Tx.PutDeployment in a transaction of its own.
func (s *Store) PutDeployment(
	ctx context.Context,
	d Deployment,
	actor string,
) (put *Deployment, created bool, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		put, created, err = tx.PutDeployment(ctx, d, actor)
		return err
	})
	return put, created, err
}

// GetDeployment returns a deployment by name.
func (s *Store) GetDeployment(ctx context.Context, name string) (*Deployment, error) {
	return s.view().GetDeployment(ctx, name)
}

// ListDeployments lists the deployments of a pool, or of all pools for "", by name.
func (s *Store) ListDeployments(ctx context.Context, pool string, p Page) ([]Deployment, string, error) {
	return s.view().ListDeployments(ctx, pool, p)
}

// SetDeploymentPaused is Tx.SetDeploymentPaused in a transaction of its own.
func (s *Store) SetDeploymentPaused(
	ctx context.Context,
	name string,
	paused bool,
	actor string,
) (*Deployment, error) {
	return write(
		ctx,
		s,
		func(tx *Tx) (*Deployment, error) { return tx.SetDeploymentPaused(ctx, name, paused, actor) },
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

// PutVariable is Tx.PutVariable in a transaction of its own.
func (s *Store) PutVariable(
	ctx context.Context,
	name string,
	value json.RawMessage,
	actor string,
) (*Variable, error) {
	return write(ctx, s, func(tx *Tx) (*Variable, error) { return tx.PutVariable(ctx, name, value, actor) })
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

// KeyByID returns an API key, also one that is revoked or expired.
func (s *Store) KeyByID(ctx context.Context, id string) (*Key, error) {
	return s.view().KeyByID(ctx, id)
}

// ListKeys lists API keys by name.
func (s *Store) ListKeys(ctx context.Context) ([]Key, error) {
	return s.view().ListKeys(ctx)
}

// RevokeKey is Tx.RevokeKey in a transaction of its own.
func (s *Store) RevokeKey(ctx context.Context, idOrName, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.RevokeKey(ctx, idOrName, actor) })
}

// EnsureKey is Tx.EnsureKey in a transaction of its own.
func (s *Store) EnsureKey(ctx context.Context, k Key) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.EnsureKey(ctx, k) })
}

// TouchKey is Tx.TouchKey in a transaction of its own.
func (s *Store) TouchKey(ctx context.Context, id string, at time.Time) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.TouchKey(ctx, id, at) })
}

// UpsertWorker is Tx.UpsertWorker in a transaction of its own.
func (s *Store) UpsertWorker(ctx context.Context, w Worker) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.UpsertWorker(ctx, w) })
}

// ListWorkers lists the workers of a pool, or of all pools for "".
func (s *Store) ListWorkers(ctx context.Context, pool string) ([]Worker, error) {
	return s.view().ListWorkers(ctx, pool)
}

// Cancels returns which of the attempts that a worker holds are to be cancelled.
func (s *Store) Cancels(ctx context.Context, pool, worker string, held []Lease) ([]uuid.UUID, error) {
	return s.view().Cancels(ctx, pool, worker, held)
}

// Renew is Tx.Renew in a transaction of its own.
func (s *Store) Renew(
	ctx context.Context,
	worker string,
	leases []Lease,
	d time.Duration,
) (lost, cancels []uuid.UUID, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		lost, cancels, err = tx.Renew(ctx, worker, leases, d)
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

// LogSize is how many bytes an attempt has written until now, whether they are still kept or not.
func (s *Store) LogSize(ctx context.Context, runID uuid.UUID, attempt int32) (int64, error) {
	return s.view().LogSize(ctx, runID, attempt)
}

// ReadLogs returns output of an attempt, of the newest for 0, from a byte offset on.
func (s *Store) ReadLogs(
	ctx context.Context,
	runID uuid.UUID,
	attempt int32,
	offset int64,
	limitBytes int,
) ([]LogChunk, error) {
	return s.view().ReadLogs(ctx, runID, attempt, offset, limitBytes)
}

// LookUpAttempts says what the store knows of Jobs found in a cluster, one answer per reference, in order.
func (s *Store) LookUpAttempts(
	ctx context.Context,
	pool, clusterID string,
	refs []AttemptRef,
) ([]AttemptStatus, error) {
	return s.view().LookUpAttempts(ctx, pool, clusterID, refs)
}

// Stats reads what the metrics show of the database.
func (s *Store) Stats(ctx context.Context) (*Stats, error) {
	return s.view().Stats(ctx)
}

// Release is Tx.Release in a transaction of its own.
func (s *Store) Release(ctx context.Context, worker string, leases []Lease) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.Release(ctx, worker, leases) })
}

// PoolsOfAttempts returns the names of the work pools that attempts belong to.
func (s *Store) PoolsOfAttempts(ctx context.Context, ids []uuid.UUID) ([]string, error) {
	return s.view().PoolsOfAttempts(ctx, ids)
}

// PoolTypeForWorker returns the type of a pool that has work for workers.
func (s *Store) PoolTypeForWorker(ctx context.Context, pool string) (string, error) {
	return s.view().PoolTypeForWorker(ctx, pool)
}

// RunOfKey returns the run that an idempotency key made of the deployment; nil where there is none yet.
func (s *Store) RunOfKey(ctx context.Context, d *Deployment, key, bodyHash string) (*Run, error) {
	return s.view().RunOfKey(ctx, d, key, bodyHash)
}

// ListRunsBy lists runs in an order.
func (s *Store) ListRunsBy(ctx context.Context, f RunFilter, o RunSort, p Page) ([]Run, string, error) {
	return s.view().ListRunsBy(ctx, f, o, p)
}

// CountRuns counts runs by state.
func (s *Store) CountRuns(ctx context.Context, f RunFilter) (map[lifecycle.StateType]int64, error) {
	return s.view().CountRuns(ctx, f)
}

// FindDeployments lists deployments by name, narrowed by a filter.
func (s *Store) FindDeployments(
	ctx context.Context,
	f DeploymentFilter,
	p Page,
) ([]Deployment, string, error) {
	return s.view().FindDeployments(ctx, f, p)
}

// UpdateQueue is Tx.UpdateQueue in a transaction of its own.
func (s *Store) UpdateQueue(
	ctx context.Context,
	pool, name string,
	c QueueChange,
	actor string,
) (*Queue, error) {
	return write(ctx, s, func(tx *Tx) (*Queue, error) { return tx.UpdateQueue(ctx, pool, name, c, actor) })
}

// DeleteQueue is Tx.DeleteQueue in a transaction of its own.
func (s *Store) DeleteQueue(ctx context.Context, pool, name, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.DeleteQueue(ctx, pool, name, actor) })
}

// SetWorkerPaused is Tx.SetWorkerPaused in a transaction of its own.
func (s *Store) SetWorkerPaused(
	ctx context.Context,
	pool, name string,
	paused bool,
	actor string,
) (*Worker, error) {
	return write(
		ctx,
		s,
		func(tx *Tx) (*Worker, error) { return tx.SetWorkerPaused(ctx, pool, name, paused, actor) },
	)
}

// ListAudit lists changes, newest first.
func (s *Store) ListAudit(ctx context.Context, f AuditFilter, p Page) ([]AuditEntry, string, error) {
	return s.view().ListAudit(ctx, f, p)
}

// JobKeyOf returns what is known of the keys of an attempt.
func (s *Store) JobKeyOf(ctx context.Context, attempt uuid.UUID) (*JobKey, error) {
	return s.view().JobKeyOf(ctx, attempt)
}

// SetResult is Tx.SetResult in a transaction of its own.
func (s *Store) SetResult(
	ctx context.Context,
	run, attempt uuid.UUID,
	value json.RawMessage,
) (*Result, error) {
	return write(ctx, s, func(tx *Tx) (*Result, error) { return tx.SetResult(ctx, run, attempt, value) })
}

// SetProgress is Tx.SetProgress in a transaction of its own.
func (s *Store) SetProgress(
	ctx context.Context,
	run, attempt uuid.UUID,
	percent *float64,
	message string,
) (*Progress, error) {
	return write(
		ctx,
		s,
		func(tx *Tx) (*Progress, error) { return tx.SetProgress(ctx, run, attempt, percent, message) },
	)
}

// GetTold returns what the workload of a run has said of itself.
func (s *Store) GetTold(ctx context.Context, run uuid.UUID) (Told, error) {
	return s.view().GetTold(ctx, run)
}

// Refused is Tx.Refused in a transaction of its own.
func (s *Store) Refused(ctx context.Context, operation, reason, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.Refused(ctx, operation, reason, actor) })
}

// GetQueue returns a queue of a pool.
func (s *Store) GetQueue(ctx context.Context, pool, name string) (*Queue, error) {
	return s.view().GetQueue(ctx, pool, name)
}

// DeploymentSchedules lists the schedules of a deployment by name.
func (s *Store) DeploymentSchedules(ctx context.Context, deployment string) ([]Schedule, error) {
	return s.view().DeploymentSchedules(ctx, deployment)
}

// ListSchedules lists schedules by deployment and name, of these pools; nil: of all.
func (s *Store) ListSchedules(ctx context.Context, pools []string, p Page) ([]Schedule, string, error) {
	return s.view().ListSchedules(ctx, pools, p)
}

// PutSchedules is Tx.PutSchedules in a transaction of its own.
func (s *Store) PutSchedules(
	ctx context.Context,
	deployment string,
	wanted []NewSchedule,
	actor string,
) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.PutSchedules(ctx, deployment, wanted, actor) })
}

// SetScheduleActive is Tx.SetScheduleActive in a transaction of its own.
func (s *Store) SetScheduleActive(
	ctx context.Context,
	deployment, name string,
	active bool,
	actor string,
) (*Schedule, error) {
	return write(
		ctx,
		s,
		func(tx *Tx) (*Schedule, error) { return tx.SetScheduleActive(ctx, deployment, name, active, actor) },
	)
}

// SettleSchedule is Tx.SettleSchedule in a transaction of its own.
func (s *Store) SettleSchedule(ctx context.Context, o ScheduleOutcome) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.SettleSchedule(ctx, o) })
}

// LiveRunsOfSchedule lists the runs of a schedule that have not ended, oldest first.
func (s *Store) LiveRunsOfSchedule(ctx context.Context, schedule uuid.UUID) ([]LiveRun, error) {
	return s.view().LiveRunsOfSchedule(ctx, schedule)
}
