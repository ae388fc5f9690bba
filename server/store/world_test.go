package store_test

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

// The methods of the store for tests that expect no error. Each ends the test if there is one.

func (w *world) abandonRun(id uuid.UUID, actor string) *store.Run {
	w.t.Helper()
	result, err := w.AbandonRun(w.t.Context(), id, actor)
	w.check(err)
	return result
}

func (w *world) cancelRun(id uuid.UUID, actor string) *store.Run {
	w.t.Helper()
	result, err := w.CancelRun(w.t.Context(), id, actor)
	w.check(err)
	return result
}

func (w *world) countRuns(f store.RunFilter) map[lifecycle.StateType]int64 {
	w.t.Helper()
	result, err := w.CountRuns(w.t.Context(), f)
	w.check(err)
	if result.AtLeast {
		w.t.Errorf("%+v: not all runs were counted", f)
	}
	return result.States
}

func (w *world) createPool(p store.NewPool, actor string) *store.Pool {
	w.t.Helper()
	result, err := w.CreatePool(w.t.Context(), p, actor)
	w.check(err)
	return result
}

func (w *world) createQueue(q store.Queue, actor string) *store.Queue {
	w.t.Helper()
	result, err := w.CreateQueue(w.t.Context(), q, actor)
	w.check(err)
	return result
}

func (w *world) expire(keep store.Retention) store.Expired {
	w.t.Helper()
	w.check(w.MaintainPartitions(w.t.Context())) // as a server does
	result, err := w.Expire(w.t.Context(), keep)
	w.check(err)
	return result
}

func (w *world) getDeployment(name string) *store.Deployment {
	w.t.Helper()
	result, err := w.GetDeployment(w.t.Context(), name)
	w.check(err)
	return result
}

func (w *world) getJobKey(attempt uuid.UUID) *store.JobKey {
	w.t.Helper()
	result, err := w.GetJobKey(w.t.Context(), attempt)
	w.check(err)
	return result
}

func (w *world) getKey(id string) *store.Key {
	w.t.Helper()
	result, err := w.GetKey(w.t.Context(), id)
	w.check(err)
	return result
}

func (w *world) getManifest(runID uuid.UUID, attempt int32) json.RawMessage {
	w.t.Helper()
	result, err := w.GetManifest(w.t.Context(), runID, attempt)
	w.check(err)
	return result
}

func (w *world) getPool(name string) *store.Pool {
	w.t.Helper()
	result, err := w.GetPool(w.t.Context(), name)
	w.check(err)
	return result
}

func (w *world) getQueue(pool, name string) *store.Queue {
	w.t.Helper()
	result, err := w.GetQueue(w.t.Context(), pool, name)
	w.check(err)
	return result
}

func (w *world) getResultAndProgress(run uuid.UUID) store.ResultAndProgress {
	w.t.Helper()
	result, err := w.GetResultAndProgress(w.t.Context(), run)
	w.check(err)
	return result
}

func (w *world) getRun(id uuid.UUID) *store.Run {
	w.t.Helper()
	result, err := w.GetRun(w.t.Context(), id)
	w.check(err)
	return result
}

func (w *world) getRunFacts(id uuid.UUID) *store.RunFacts {
	w.t.Helper()
	result, err := w.GetRunFacts(w.t.Context(), id)
	w.check(err)
	return result
}

func (w *world) getStats() *store.Stats {
	w.t.Helper()
	result, err := w.GetStats(w.t.Context())
	w.check(err)
	return result
}

func (w *world) getTemplateVersion(pool string, version int32) *store.TemplateVersion {
	w.t.Helper()
	result, err := w.GetTemplateVersion(w.t.Context(), pool, version)
	w.check(err)
	return result
}

func (w *world) getTemplateVersionByID(id uuid.UUID) *store.TemplateVersion {
	w.t.Helper()
	result, err := w.GetTemplateVersionByID(w.t.Context(), id)
	w.check(err)
	return result
}

func (w *world) getVariable(name string) *store.Variable {
	w.t.Helper()
	result, err := w.GetVariable(w.t.Context(), name)
	w.check(err)
	return result
}

func (w *world) installationID() uuid.UUID {
	w.t.Helper()
	result, err := w.InstallationID(w.t.Context())
	w.check(err)
	return result
}

func (w *world) listAttemptStatuses(refs []store.AttemptRef) []store.AttemptStatus {
	w.t.Helper()
	result, err := w.ListAttemptStatuses(w.t.Context(), refs)
	w.check(err)
	return result
}

func (w *world) listAttempts(runID uuid.UUID) []store.Attempt {
	w.t.Helper()
	result, err := w.ListAttempts(w.t.Context(), runID)
	w.check(err)
	return result
}

// listCancels lists the cancels of a worker of pool p that are newer than a time; nil is the beginning.
func (w *world) listCancels(worker string, after *time.Time) ([]uuid.UUID, *time.Time) {
	w.t.Helper()
	result, newest, err := w.ListCancels(w.t.Context(), storetest.SessionOf("p", worker).ID, after)
	w.check(err)
	return result, newest
}

func (w *world) listClaimGates(runs []uuid.UUID) map[[3]string]store.ClaimGates {
	w.t.Helper()
	result, err := w.ListClaimGates(w.t.Context(), runs)
	w.check(err)
	return result
}

func (w *world) listEvents(runID uuid.UUID, afterSeq int64) []store.Event {
	w.t.Helper()
	result, err := w.ListEvents(w.t.Context(), runID, afterSeq)
	w.check(err)
	return result
}

func (w *world) listKeys() []store.Key {
	w.t.Helper()
	result, err := w.ListKeys(w.t.Context(), store.KeyFilter{})
	w.check(err)
	return result
}

func (w *world) listLogChunks(runID uuid.UUID, attempt int32, offset int64, limitBytes int) []store.LogChunk {
	w.t.Helper()
	result, err := w.ListLogChunks(w.t.Context(), runID, attempt, offset, limitBytes)
	w.check(err)
	return result
}

func (w *world) listPoolsOfAttempts(ids []uuid.UUID) []string {
	w.t.Helper()
	result, err := w.ListPoolsOfAttempts(w.t.Context(), ids)
	w.check(err)
	return result
}

func (w *world) listQueues(pool string) []store.Queue {
	w.t.Helper()
	result, err := w.ListQueues(w.t.Context(), pool)
	w.check(err)
	return result
}

func (w *world) listWorkers(pool string) []store.Worker {
	w.t.Helper()
	result, err := w.ListWorkers(w.t.Context(), pool)
	w.check(err)
	return result
}

func (w *world) retryRun(id uuid.UUID, actor string) *store.Run {
	w.t.Helper()
	result, err := w.RetryRun(w.t.Context(), id, actor)
	w.check(err)
	return result
}

func (w *world) updateDeploymentPaused(name string, paused bool, actor string) *store.Deployment {
	w.t.Helper()
	result, err := w.UpdateDeploymentPaused(w.t.Context(), name, paused, actor)
	w.check(err)
	return result
}

func (w *world) updatePool(name string, c store.PoolUpdate, actor string) *store.Pool {
	w.t.Helper()
	result, err := w.UpdatePool(w.t.Context(), name, c, actor)
	w.check(err)
	return result
}

func (w *world) updateQueue(pool, name string, c store.QueueUpdate, actor string) *store.Queue {
	w.t.Helper()
	result, err := w.UpdateQueue(w.t.Context(), pool, name, c, actor)
	w.check(err)
	return result
}

func (w *world) updateTemplate(
	pool string, doc store.TemplateDocument, ifMatch *int32, actor string,
) *store.TemplateVersion {
	w.t.Helper()
	result, err := w.UpdateTemplate(w.t.Context(), pool, doc, ifMatch, actor)
	w.check(err)
	return result
}

func (w *world) upsertVariable(name string, value json.RawMessage, actor string) *store.Variable {
	w.t.Helper()
	result, err := w.UpsertVariable(w.t.Context(), name, value, actor)
	w.check(err)
	return result
}

func (w *world) reportAll(worker string, reports []store.Report) []store.ReportResult {
	w.t.Helper()
	result, err := w.Report(w.t.Context(), worker, reports)
	w.check(err)
	return result
}
