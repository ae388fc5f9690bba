package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
)

// claimRow is an attempt with its run.
type claimRow struct {
	AttemptID       uuid.UUID           `db:"attempt_id"`
	Number          int32               `db:"number"`
	Epoch           int64               `db:"epoch"`
	RunID           uuid.UUID           `db:"run_id"`
	RunName         string              `db:"run_name"`
	ScheduledTime   stamp               `db:"scheduled_time"`
	Tags            texts               `db:"tags"`
	Parameters      document            `db:"parameters"`
	RunVariables    document            `db:"run_variables"`
	Stored          document            `db:"stored"`
	Raised          document            `db:"raised"`
	TimeoutAt       *stamp              `db:"timeout_at"`
	StartedAt       *stamp              `db:"started_at"`
	StartDeadlineAt *stamp              `db:"start_deadline_at"`
	Manifest        document            `db:"manifest"`
	JobUID          string              `db:"job_uid"`
	StateType       lifecycle.StateType `db:"state_type"`
	Clock           *stamp              `db:"clock"`
	claimSetting
}

// claimSetting is what many attempts of one claim have in common.
type claimSetting struct {
	RevisionID        uuid.UUID `db:"revision_id" json:"revision_id"`
	QueueID           uuid.UUID `db:"queue_id" json:"queue_id"`
	TemplateVersionID uuid.UUID `db:"template_version_id" json:"template_version_id"`
}

type settingRow struct {
	claimSetting
	DeploymentID        uuid.UUID `db:"deployment_id"`
	Deployment          string    `db:"deployment"`
	DeploymentVersion   string    `db:"deployment_version"`
	Pool                string    `db:"pool"`
	Queue               string    `db:"queue"`
	TemplateVersion     int32     `db:"template_version"`
	DeploymentVariables document  `db:"deployment_variables"`
	FrozenVariables     texts     `db:"frozen_variables"`
	TimeoutUS           *int64    `db:"timeout_us"`

	frozen json.RawMessage
}

func (d dialect) claimsSQL() string {
	return `
SELECT
	` + d.clock() + ` AS clock,
	a.id AS attempt_id, a.number, a.epoch, r.id AS run_id, r.name AS run_name, r.scheduled_time, r.tags, r.parameters,
	r.job_variables AS run_variables, a.stored, a.raised, r.timeout_at, r.started_at, r.start_deadline_at, a.manifest, a.job_uid,
	r.state_type, r.revision_id, r.queue_id, a.template_version_id
FROM attempts a
JOIN runs r ON r.id = a.run_id
WHERE a.id IN ` + d.list("uuid")
}

func (d dialect) settingsSQL() string {
	return `
SELECT
	n.revision_id, n.queue_id, n.template_version_id, d.id AS deployment_id, d.name AS deployment,
	v.version AS deployment_version, p.name AS pool, q.name AS queue, t.version AS template_version,
	v.job_variables AS deployment_variables, v.frozen_variables, v.timeout_us
FROM ` + d.records("revision_id uuid", "queue_id uuid", "template_version_id uuid") + ` AS n
JOIN deployment_revisions v ON v.id = n.revision_id
JOIN deployments d ON d.id = v.deployment_id
JOIN queues q ON q.id = n.queue_id
JOIN pools p ON p.id = q.pool_id
JOIN template_versions t ON t.id = n.template_version_id`
}

// claimRow is what the first claim of an attempt knows of it without reading it.
func (r *lockedRun) claimRow(a attemptRecord) *claimRow {
	row := &claimRow{
		AttemptID: a.ID, Number: a.Number, Epoch: 1, RunID: r.ID, RunName: r.Name, ScheduledTime: r.ScheduledTime, Tags: r.Tags,
		Parameters: r.Parameters, RunVariables: r.JobVariables, Stored: document(a.Stored), TimeoutAt: r.TimeoutAt,
		StartedAt: r.StartedAt, StartDeadlineAt: r.StartDeadlineAt, StateType: r.StateType,
		claimSetting: claimSetting{
			RevisionID:        r.RevisionID,
			QueueID:           r.QueueID,
			TemplateVersionID: a.TemplateVersionID,
		},
		Clock: r.Clock,
	}
	if a.Raised != nil {
		row.Raised = document(*a.Raised)
	}
	return row
}

// claims reads what a worker needs to know of the attempts it was given and is not known yet, and tells it in
// their order.
func (tx *Tx) claims(ctx context.Context, g *given) ([]Claim, error) {
	rows := g.fresh
	var unknown []uuid.UUID
	for _, h := range g.list {
		if rows[h.AttemptID] == nil {
			unknown = append(unknown, h.AttemptID)
		}
	}
	if len(unknown) > 0 {
		var read []*claimRow
		if err := tx.all(ctx, &read, tx.s.dialect.claimsSQL(), listOf(unknown)); err != nil {
			return nil, fmt.Errorf("read claimed attempts: %w", err)
		}
		for _, row := range read {
			rows[row.AttemptID] = row
		}
	}
	settings, err := tx.settings(ctx, rows)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		tx.tell(row.Clock)
	}
	now, err := tx.now(ctx)
	if err != nil {
		return nil, err
	}
	claims := make([]Claim, 0, len(g.list))
	for _, h := range g.list {
		row := rows[h.AttemptID]
		if row == nil ||
			settings[row.claimSetting] == nil { // read after it was handed out: it may be gone by now
			continue
		}
		c, err := row.claim(settings[row.claimSetting], now)
		if err != nil {
			return nil, err
		}
		c.Takeover = h.Takeover
		claims = append(claims, c)
	}
	return claims, nil
}

// settings reads each once, and remembers it: none of it ever changes.
func (tx *Tx) settings(
	ctx context.Context,
	rows map[uuid.UUID]*claimRow,
) (map[claimSetting]*settingRow, error) {
	settings := map[claimSetting]*settingRow{}
	unknown := map[claimSetting]bool{}
	for _, r := range rows {
		if settings[r.claimSetting] != nil || unknown[r.claimSetting] {
			continue
		}
		if known, ok := tx.s.settings.get(r.claimSetting); ok {
			settings[r.claimSetting] = known
		} else {
			unknown[r.claimSetting] = true
		}
	}
	if len(unknown) == 0 {
		return settings, nil
	}
	var found []*settingRow
	if err := tx.all(ctx, &found, tx.s.dialect.settingsSQL(), listOf(slices.Collect(maps.Keys(unknown)))); err != nil {
		return nil, fmt.Errorf("read the deployments of claimed attempts: %w", err)
	}
	for _, s := range found {
		var err error
		if s.frozen, err = frozenObject(s.DeploymentVariables, s.FrozenVariables.v); err != nil {
			return nil, err
		}
		settings[s.claimSetting] = s
		tx.s.settings.put(s.claimSetting, s)
	}
	return settings, nil
}

func (r *claimRow) claim(s *settingRow, now time.Time) (Claim, error) {
	own, err := overlaid(object(r.RunVariables.raw()), r.Raised)
	if err != nil {
		return Claim{}, err
	}
	c := Claim{
		AttemptID: r.AttemptID, Attempt: r.Number, Epoch: r.Epoch, RunID: r.RunID, RunName: r.RunName,
		DeploymentID: s.DeploymentID, Deployment: s.Deployment, DeploymentVersion: s.DeploymentVersion, Pool: s.Pool,
		Queue: s.Queue, ScheduledTime: r.ScheduledTime.time(), Tags: r.Tags.v, Parameters: r.Parameters.raw(),
		TemplateVersionID: r.TemplateVersionID, TemplateVersion: s.TemplateVersion,
		DeploymentVariables: s.DeploymentVariables.raw(), RunVariables: own, Frozen: s.frozen,
		Stored: r.Stored.raw(), TimeoutLeft: r.timeoutLeft(s, now), Manifest: r.Manifest.raw(), JobUID: r.JobUID,
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
func (r *claimRow) timeoutLeft(s *settingRow, now time.Time) *time.Duration {
	if r.TimeoutAt == nil {
		return duration(s.TimeoutUS)
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
