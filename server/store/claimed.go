package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
)

type claimRow struct {
	AttemptID           uuid.UUID           `db:"attempt_id"`
	Number              int32               `db:"number"`
	Epoch               int64               `db:"epoch"`
	RunID               uuid.UUID           `db:"run_id"`
	RunName             string              `db:"run_name"`
	DeploymentID        uuid.UUID           `db:"deployment_id"`
	Deployment          string              `db:"deployment"`
	DeploymentVersion   string              `db:"deployment_version"`
	Pool                string              `db:"pool"`
	Queue               string              `db:"queue"`
	ScheduledTime       stamp               `db:"scheduled_time"`
	Tags                texts               `db:"tags"`
	Parameters          document            `db:"parameters"`
	TemplateVersionID   uuid.UUID           `db:"template_version_id"`
	TemplateVersion     int32               `db:"template_version"`
	DeploymentVariables document            `db:"deployment_variables"`
	RunVariables        document            `db:"run_variables"`
	FrozenVariables     texts               `db:"frozen_variables"`
	Stored              document            `db:"stored"`
	Raised              document            `db:"raised"`
	TimeoutUS           *int64              `db:"timeout_us"`
	TimeoutAt           *stamp              `db:"timeout_at"`
	StartedAt           *stamp              `db:"started_at"`
	StartDeadlineAt     *stamp              `db:"start_deadline_at"`
	Manifest            document            `db:"manifest"`
	JobUID              string              `db:"job_uid"`
	StateType           lifecycle.StateType `db:"state_type"`
	Clock               *stamp              `db:"clock"`
}

func (d dialect) claimsSQL() string {
	return `
SELECT
	` + d.clock() + ` AS clock,
	a.id AS attempt_id, a.number, a.epoch, r.id AS run_id, r.name AS run_name, d.id AS deployment_id,
	d.name AS deployment, v.version AS deployment_version, p.name AS pool, q.name AS queue, r.scheduled_time, r.tags,
	r.parameters, a.template_version_id, t.version AS template_version, v.job_variables AS deployment_variables,
	r.job_variables AS run_variables, v.frozen_variables, a.stored, a.raised, v.timeout_us, r.timeout_at, r.started_at,
	r.start_deadline_at, a.manifest, a.job_uid, r.state_type
FROM attempts a
JOIN runs r ON r.id = a.run_id
JOIN deployments d ON d.id = r.deployment_id
JOIN deployment_revisions v ON v.id = r.revision_id
JOIN pools p ON p.id = r.pool_id
JOIN queues q ON q.id = r.queue_id
JOIN template_versions t ON t.id = a.template_version_id
WHERE a.id IN `
}

// claims reads what a worker needs to know of the attempts it was given, in their order.
func (tx *Tx) claims(ctx context.Context, given []handed) ([]Claim, error) {
	ids := make([]uuid.UUID, len(given))
	for i, h := range given {
		ids[i] = h.AttemptID
	}
	list := listOf(ids)
	var rows []claimRow
	if err := tx.all(ctx, &rows, tx.s.dialect.claimsSQL()+tx.s.dialect.list("uuid"), list); err != nil {
		return nil, fmt.Errorf("read claimed attempts: %w", err)
	}
	byID := make(map[uuid.UUID]claimRow, len(rows))
	for _, r := range rows {
		byID[r.AttemptID] = r
		tx.tell(r.Clock)
	}
	now, err := tx.now(ctx)
	if err != nil {
		return nil, err
	}
	claims := make([]Claim, 0, len(given))
	for _, h := range given {
		row, ok := byID[h.AttemptID]
		if !ok { // read after it was handed out: it may be gone by now
			continue
		}
		c, err := row.claim(now)
		if err != nil {
			return nil, err
		}
		c.Takeover = h.Takeover
		claims = append(claims, c)
	}
	return claims, nil
}

func (r claimRow) claim(now time.Time) (Claim, error) {
	frozen, err := frozenObject(r.DeploymentVariables, r.FrozenVariables.v)
	if err != nil {
		return Claim{}, err
	}
	own, err := overlaid(object(r.RunVariables.raw()), r.Raised)
	if err != nil {
		return Claim{}, err
	}
	c := Claim{
		AttemptID: r.AttemptID, Attempt: r.Number, Epoch: r.Epoch, RunID: r.RunID, RunName: r.RunName,
		DeploymentID: r.DeploymentID, Deployment: r.Deployment, DeploymentVersion: r.DeploymentVersion, Pool: r.Pool,
		Queue: r.Queue, ScheduledTime: r.ScheduledTime.time(), Tags: r.Tags.v, Parameters: r.Parameters.raw(),
		TemplateVersionID: r.TemplateVersionID, TemplateVersion: r.TemplateVersion,
		DeploymentVariables: r.DeploymentVariables.raw(), RunVariables: own, Frozen: frozen,
		Stored: r.Stored.raw(), TimeoutLeft: r.timeoutLeft(now), Manifest: r.Manifest.raw(), JobUID: r.JobUID,
		Cancelling: r.StateType == lifecycle.Cancelling,
	}
	if r.StartedAt == nil {
		c.StartDeadline = r.StartDeadlineAt.ptr()
	}
	return c, nil
}

// overlaid is an object with the members of another one laid over its own.
func overlaid(base, over document) (json.RawMessage, error) {
	if over == nil {
		return base.raw(), nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(base, &members); err != nil {
		return nil, fmt.Errorf("read a run's job variables: %w", err)
	}
	if err := json.Unmarshal(over, &members); err != nil {
		return nil, fmt.Errorf("read a run's raised job variables: %w", err)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // values stay as they were sent
	err := e.Encode(members)
	return bytes.TrimSpace(b.Bytes()), err
}

// timeoutLeft is what is left of the run's timeout, which runs from its first start, retries included.
func (r claimRow) timeoutLeft(now time.Time) *time.Duration {
	if r.TimeoutAt == nil {
		return duration(r.TimeoutUS)
	}
	left := max(r.TimeoutAt.time().Sub(now), 0)
	return &left
}

// frozenObject is the job variables that a deployment froze, with their values; nil for none.
func frozenObject(variables document, names []string) (json.RawMessage, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(variables, &all); err != nil {
		return nil, fmt.Errorf("read a deployment's job variables: %w", err)
	}
	frozen := map[string]json.RawMessage{}
	for _, name := range names {
		if value, ok := all[name]; ok {
			frozen[name] = value
		}
	}
	b, err := json.Marshal(frozen)
	return b, err
}
