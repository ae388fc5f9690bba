package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

type attemptRecord struct {
	ID                uuid.UUID     `json:"id"`
	RunID             uuid.UUID     `json:"run_id"`
	Number            int32         `json:"number"`
	PoolID            uuid.UUID     `json:"pool_id"`
	QueueID           uuid.UUID     `json:"queue_id"`
	DeploymentID      uuid.UUID     `json:"deployment_id"`
	Worker            string        `json:"worker"`
	ClusterID         string        `json:"cluster_id"`
	LeaseExpiresAt    database.Time `json:"lease_expires_at"`
	TemplateVersionID uuid.UUID     `json:"template_version_id"`
	Stored            string        `json:"stored"`
	Raised            *string       `json:"raised"`
	FrozenRevisionID  uuid.UUID     `json:"frozen_revision_id"`
	ClaimedAt         database.Time `json:"claimed_at"`
}

// insertAttemptsSQL makes attempts; one that was handed back is used again under the next epoch.
func insertAttemptsSQL(d database.Dialect) string {
	return `
INSERT INTO attempts (
	id, run_id, number, pool_id, queue_id, deployment_id, phase, worker, cluster_id, epoch, lease_expires_at,
	template_version_id, stored, manifest_hash, job_namespace, job_name, job_uid, node, diagnosis, succeeded, category,
	message, last_lines, claimed_at, handed_back, raised, frozen_revision_id
)
SELECT
	id, run_id, number, pool_id, queue_id, deployment_id, 'claimed', worker, cluster_id, 1, lease_expires_at,
	template_version_id, stored, '', '', '', '', '', '', FALSE, '',
	'', '', claimed_at, FALSE, raised, frozen_revision_id
FROM ` + d.Records("id uuid", "run_id uuid", "number integer", "pool_id uuid", "queue_id uuid",
		"deployment_id uuid", "worker text", "cluster_id text", "lease_expires_at time",
		"template_version_id uuid", "stored text", "claimed_at time", "raised text",
		"frozen_revision_id uuid") + ` AS n
WHERE TRUE
ON CONFLICT (run_id, number) DO UPDATE
SET phase = 'claimed',
	worker = excluded.worker,
	cluster_id = excluded.cluster_id,
	epoch = attempts.epoch + 1,
	lease_expires_at = excluded.lease_expires_at,
	template_version_id = excluded.template_version_id,
	stored = excluded.stored,
	raised = excluded.raised,
	frozen_revision_id = excluded.frozen_revision_id,
	manifest = NULL,
	manifest_hash = '',
	job_namespace = '',
	job_name = '',
	node = '',
	diagnosis = '',
	last_lines = '',
	running_at = NULL,
	claimed_at = excluded.claimed_at,
	ended_at = NULL,
	handed_back = FALSE
RETURNING id, run_id, epoch`
}

// insertAttempts creates the attempts and fixes their render input: the newest template version, what the
// deployment freezes now, and the current stored variables.
func (tx *Tx) insertAttempts(
	ctx context.Context,
	r ClaimRequest,
	state *lockedPoolState,
	due []*lockedRun,
	runs map[uuid.UUID]*lockedRun,
	g *claimResult,
) error {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	due, settings, err := tx.holdFrozen(ctx, state, due)
	if err != nil {
		return err
	}
	if len(due) == 0 {
		return tx.saveRuns(ctx, runs)
	}
	input, err := tx.renderInput(ctx, state, due, settings)
	if err != nil {
		return err
	}
	records := make([]attemptRecord, len(due))
	for i, run := range due {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("generate an ID: %w", err)
		}
		stored, err := input.stored(storedNames(run, settings))
		if err != nil {
			return err
		}
		run.Attempt++
		records[i] = attemptRecord{
			ID: id, RunID: run.ID, Number: run.Attempt, PoolID: run.PoolID, QueueID: run.QueueID, DeploymentID: run.DeploymentID,
			Worker: r.Worker, ClusterID: r.ClusterID, LeaseExpiresAt: database.Time(now.Add(r.Lease)),
			TemplateVersionID: state.TemplateVersionID, Stored: stored, Raised: run.Raised, ClaimedAt: database.Time(now),
			FrozenRevisionID: run.FrozenRevisionID,
		}
		claimed := lifecycle.State{
			Type: lifecycle.Pending, Name: "Claimed", Message: "claimed by worker " + r.Worker,
		}
		run.move(claimed, now, "worker "+r.Worker, run.Attempt)
	}
	earlier := len(g.attempts)
	if err := tx.saveAttempts(ctx, r.RequestID, records, tx.changesOf(runs), g); err != nil {
		return err
	}
	for i, run := range due {
		if h := g.attempts[earlier+i]; h.AttemptID == records[i].ID { // not one that was handed back
			g.rows[h.AttemptID] = run.claimRow(records[i])
		}
	}
	return nil
}

const rememberClaimAgainSQL = `
UPDATE claim_requests
SET claims = ?
WHERE id = ?`

// saveAttempts stores new attempts, the changes of their runs and the answer to the request in one batch. An
// attempt that was handed back keeps its ID, which the database returns; the answer is then stored again.
func (tx *Tx) saveAttempts(
	ctx context.Context,
	request uuid.UUID,
	records []attemptRecord,
	changes []database.Statement,
	g *claimResult,
) error {
	earlier := len(g.attempts)
	for _, r := range records {
		g.attempts = append(g.attempts, claimedAttempt{AttemptID: r.ID, Epoch: 1})
	}
	remember, err := tx.rememberClaim(ctx, request, slices.Clone(g.attempts))
	if err != nil {
		return err
	}
	var rows []struct {
		ID    uuid.UUID `db:"id"`
		RunID uuid.UUID `db:"run_id"`
		Epoch int64     `db:"epoch"`
	}
	insert := database.NewStatement(insertAttemptsSQL(tx.db.Dialect()), database.ListOf(records))
	if err := tx.db.AllBatch(ctx, &rows, insert, append(changes, remember)...); err != nil {
		return fmt.Errorf("create attempts: %w", err)
	}
	saved := make(map[uuid.UUID]claimedAttempt, len(rows))
	for _, row := range rows {
		saved[row.RunID] = claimedAttempt{AttemptID: row.ID, Epoch: row.Epoch}
	}
	differs := false
	for i, r := range records { // in the order of the claim
		at := &g.attempts[earlier+i]
		differs = differs || *at != saved[r.RunID]
		*at = saved[r.RunID]
	}
	if differs {
		if _, err := tx.db.Exec(ctx, rememberClaimAgainSQL, database.Structured[[]claimedAttempt]{V: g.attempts}, request); err != nil {
			return fmt.Errorf("remember claim %s: %w", request, err)
		}
	}
	return nil
}

// renderInput holds the inputs that the attempts of one claim share: template version and stored variables.
type renderInput struct {
	state        *lockedPoolState
	values       map[string]json.RawMessage
	templateOnly string // stored variables of the template, for runs that refer to none themselves
}

func (tx *Tx) renderInput(
	ctx context.Context, state *lockedPoolState, runs []*lockedRun, settings map[uuid.UUID]*settingRow,
) (renderInput, error) {
	in := renderInput{state: state}
	names := state.StoredNames.V
	for _, r := range runs {
		if own := storedNames(r, settings); len(own) > 0 {
			names = union(names, own)
		}
	}
	var err error
	if in.values, err = tx.values(ctx, names); err != nil {
		return in, err
	}
	in.templateOnly, err = in.encoded(state.StoredNames.V)
	return in, err
}

// storedNames returns the stored variables that a run's values refer to, with those of the values that its
// deployment has frozen since.
func storedNames(run *lockedRun, settings map[uuid.UUID]*settingRow) []string {
	setting := settings[run.ID]
	if setting == nil || len(setting.frozen.storedNames) == 0 {
		return run.StoredNames.V
	}
	return union(run.StoredNames.V, setting.frozen.storedNames)
}

// stored returns the stored variables of one run as a JSON object. A variable that does not exist is omitted;
// rendering reports it.
func (in renderInput) stored(names []string) (string, error) {
	if len(names) == 0 {
		return in.templateOnly, nil
	}
	return in.encoded(union(in.state.StoredNames.V, names))
}

func (in renderInput) encoded(names []string) (string, error) {
	object := map[string]json.RawMessage{}
	for _, name := range names {
		if value, ok := in.values[name]; ok {
			object[name] = value
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // values stay as they were sent
	if err := e.Encode(object); err != nil {
		return "", fmt.Errorf("encode stored variables: %w", err)
	}
	return string(bytes.TrimSpace(b.Bytes())), nil
}
