package store

import (
	"context"
	"encoding/json"
	"github.com/google/uuid"
	"time"
)

func (tx *Tx) CreatePool(ctx context.Context, p NewPool, actor string) (*Pool, error) {
	return nil, errLater
}
func (tx *Tx) GetPool(ctx context.Context, name string) (*Pool, error) { return nil, errLater }
func (tx *Tx) ListPools(ctx context.Context, p Page) ([]Pool, string, error) {
	return nil, "", errLater
}
func (tx *Tx) UpdatePool(ctx context.Context, name string, c PoolChange, actor string) (*Pool, error) {
	return nil, errLater
}
func (tx *Tx) DeletePool(ctx context.Context, name string, force bool, actor string) error {
	return errLater
}
func (tx *Tx) SaveTemplate(ctx context.Context, pool string, doc TemplateDoc, ifMatch *int32, actor string) (*TemplateVersion, error) {
	return nil, errLater
}
func (tx *Tx) GetTemplate(ctx context.Context, pool string, version int32) (*TemplateVersion, error) {
	return nil, errLater
}
func (tx *Tx) GetTemplateByID(ctx context.Context, id uuid.UUID) (*TemplateVersion, error) {
	return nil, errLater
}
func (tx *Tx) ListTemplateVersions(ctx context.Context, pool string, p Page) ([]TemplateVersion, string, error) {
	return nil, "", errLater
}
func (tx *Tx) ListQueues(ctx context.Context, pool string) ([]Queue, error) { return nil, errLater }
func (tx *Tx) CreateQueue(ctx context.Context, q Queue, actor string) (*Queue, error) {
	return nil, errLater
}
func (tx *Tx) PutDeployment(ctx context.Context, d Deployment, actor string) (*Deployment, bool, error) {
	return nil, false, errLater
}
func (tx *Tx) GetDeployment(ctx context.Context, name string) (*Deployment, error) {
	return nil, errLater
}
func (tx *Tx) ListDeployments(ctx context.Context, pool string, p Page) ([]Deployment, string, error) {
	return nil, "", errLater
}
func (tx *Tx) SetDeploymentPaused(ctx context.Context, name string, paused bool, actor string) (*Deployment, error) {
	return nil, errLater
}
func (tx *Tx) DeleteDeployment(ctx context.Context, name string, force bool, actor string) error {
	return errLater
}
func (tx *Tx) CreateRun(ctx context.Context, n NewRun, actor string) (*Run, bool, error) {
	return nil, false, errLater
}
func (tx *Tx) GetRun(ctx context.Context, id uuid.UUID) (*Run, error) { return nil, errLater }
func (tx *Tx) ListRuns(ctx context.Context, f RunFilter, p Page) ([]Run, string, error) {
	return nil, "", errLater
}
func (tx *Tx) ListAttempts(ctx context.Context, runID uuid.UUID) ([]Attempt, error) {
	return nil, errLater
}
func (tx *Tx) ListEvents(ctx context.Context, runID uuid.UUID, afterSeq int64) ([]Event, error) {
	return nil, errLater
}
func (tx *Tx) CancelRun(ctx context.Context, id uuid.UUID, actor string) (*Run, error) {
	return nil, errLater
}
func (tx *Tx) RetryRun(ctx context.Context, id uuid.UUID, actor string) (*Run, error) {
	return nil, errLater
}
func (tx *Tx) GetManifest(ctx context.Context, runID uuid.UUID, attempt int32) (json.RawMessage, error) {
	return nil, errLater
}
func (tx *Tx) PutVariable(ctx context.Context, name string, value json.RawMessage, actor string) (*Variable, error) {
	return nil, errLater
}
func (tx *Tx) GetVariable(ctx context.Context, name string) (*Variable, error) { return nil, errLater }
func (tx *Tx) ListVariables(ctx context.Context, p Page) ([]Variable, string, error) {
	return nil, "", errLater
}
func (tx *Tx) DeleteVariable(ctx context.Context, name, actor string) error   { return errLater }
func (tx *Tx) CreateKey(ctx context.Context, k Key) error                     { return errLater }
func (tx *Tx) KeyByID(ctx context.Context, id string) (*Key, error)           { return nil, errLater }
func (tx *Tx) ListKeys(ctx context.Context) ([]Key, error)                    { return nil, errLater }
func (tx *Tx) RevokeKey(ctx context.Context, idOrName, actor string) error    { return errLater }
func (tx *Tx) EnsureKey(ctx context.Context, k Key) error                     { return errLater }
func (tx *Tx) TouchKey(ctx context.Context, id string, at time.Time) error    { return errLater }
func (tx *Tx) UpsertWorker(ctx context.Context, w Worker) error               { return errLater }
func (tx *Tx) ListWorkers(ctx context.Context, pool string) ([]Worker, error) { return nil, errLater }
func (tx *Tx) Claim(ctx context.Context, r ClaimRequest) ([]Claim, error)     { return nil, errLater }
func (tx *Tx) Cancels(ctx context.Context, pool, worker string, held []Lease) ([]uuid.UUID, error) {
	return nil, errLater
}
func (tx *Tx) Renew(ctx context.Context, worker string, leases []Lease, d time.Duration) ([]uuid.UUID, []uuid.UUID, error) {
	return nil, nil, errLater
}
func (tx *Tx) Report(ctx context.Context, worker string, reports []Report) ([]ReportResult, error) {
	return nil, errLater
}
func (tx *Tx) AppendLogs(ctx context.Context, chunks []LogChunk) error { return errLater }
func (tx *Tx) ReadLogs(ctx context.Context, runID uuid.UUID, attempt int32, offset int64, limitBytes int) ([]LogChunk, error) {
	return nil, errLater
}
func (tx *Tx) LookUpAttempts(ctx context.Context, pool, clusterID string, refs []AttemptRef) ([]AttemptStatus, error) {
	return nil, errLater
}
func (tx *Tx) Stats(ctx context.Context) (*Stats, error) { return nil, errLater }
