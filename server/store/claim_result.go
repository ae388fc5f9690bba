package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// claimRow is an attempt with its run.
type claimRow struct {
	AttemptID       uuid.UUID           `db:"attempt_id"`
	Number          int32               `db:"number"`
	Epoch           int64               `db:"epoch"`
	RunID           uuid.UUID           `db:"run_id"`
	RunName         string              `db:"run_name"`
	ScheduledTime   database.Time       `db:"scheduled_time"`
	Timezone        string              `db:"timezone"`
	Tags            database.Strings    `db:"tags"`
	Parameters      database.JSON       `db:"parameters"`
	RunVariables    database.JSON       `db:"run_variables"`
	Stored          database.JSON       `db:"stored"`
	Raised          database.JSON       `db:"raised"`
	TimeoutAt       *database.Time      `db:"timeout_at"`
	StartedAt       *database.Time      `db:"started_at"`
	StartDeadlineAt *database.Time      `db:"start_deadline_at"`
	Manifest        database.JSON       `db:"manifest"`
	JobUID          string              `db:"job_uid"`
	StateType       lifecycle.StateType `db:"state_type"`
	Clock           *database.Time      `db:"clock"`
	OutputSize      int64               `db:"output_size"`
	OutputPosition  string              `db:"output_position"`
	claimSetting
}

// claimSetting is what many attempts of one claim have in common.
type claimSetting struct {
	RevisionID        uuid.UUID `db:"revision_id" json:"revision_id"`
	FrozenRevisionID  uuid.UUID `db:"frozen_revision_id" json:"frozen_revision_id"`
	QueueID           uuid.UUID `db:"queue_id" json:"queue_id"`
	TemplateVersionID uuid.UUID `db:"template_version_id" json:"template_version_id"`
}

type settingRow struct {
	claimSetting
	DeploymentID        uuid.UUID     `db:"deployment_id"`
	Deployment          string        `db:"deployment"`
	DeploymentVersion   string        `db:"deployment_version"`
	Pool                string        `db:"pool"`
	Queue               string        `db:"queue"`
	TemplateVersion     int32         `db:"template_version"`
	DeploymentVariables database.JSON `db:"deployment_variables"`
	Parameters          database.JSON `db:"deployment_parameters"`
	TimeoutUS           *int64        `db:"timeout_us"`
	// What the deployment's current revision has and freezes.
	CurrentVariables  database.JSON    `db:"current_variables"`
	CurrentParameters database.JSON    `db:"current_parameters"`
	FrozenVariables   database.Strings `db:"frozen_variables"`
	FrozenParameters  database.Strings `db:"frozen_parameters"`

	frozen frozenValues
}

func claimsSQL(d database.Dialect) string {
	return `
SELECT
	` + d.Clock() + ` AS clock,
	l.attempt_id, l.number, l.epoch, r.id AS run_id, r.name AS run_name, r.scheduled_time, r.timezone, r.tags,
	r.parameters,
	r.job_variables AS run_variables, l.stored, l.raised, l.timeout_at, l.started_at, l.start_deadline_at, m.manifest,
	l.job_uid, l.state_type, l.revision_id, l.queue_id, l.template_version_id, l.frozen_revision_id,
	COALESCE(o.size, 0) AS output_size, COALESCE(o.position, '') AS output_position
FROM live l
JOIN runs r ON r.id = l.run_id
LEFT JOIN outputs o ON o.attempt_id = l.attempt_id
LEFT JOIN manifests m ON m.run_id = l.run_id AND m.number = l.number
WHERE l.attempt_id IN ` + d.List("uuid")
}

func settingsSQL(d database.Dialect) string {
	return `
SELECT
	n.revision_id, n.frozen_revision_id, n.queue_id, n.template_version_id, d.id AS deployment_id, d.name AS deployment,
	v.version AS deployment_version, p.name AS pool, q.name AS queue, t.version AS template_version,
	v.job_variables AS deployment_variables, v.parameters AS deployment_parameters, v.timeout_us,
	c.job_variables AS current_variables, c.parameters AS current_parameters, c.frozen_variables, c.frozen_parameters
FROM ` + database.RecordsOf[claimSetting](d) + ` AS n
JOIN deployment_revisions v ON v.id = n.revision_id
JOIN deployment_revisions c ON c.id = n.frozen_revision_id
JOIN deployments d ON d.id = v.deployment_id
JOIN queues q ON q.id = n.queue_id
JOIN pools p ON p.id = q.pool_id
JOIN template_versions t ON t.id = n.template_version_id`
}

// setting is that of the run's next attempt.
func (r *dueRun) setting(pool *claimPool) claimSetting {
	return claimSetting{
		RevisionID: r.RevisionID, FrozenRevisionID: r.FrozenRevisionID, QueueID: r.QueueID,
		TemplateVersionID: pool.TemplateVersionID,
	}
}

// claimRow returns the row of a new attempt without a query.
func (r *dueRun) claimRow(pool *claimPool) *claimRow {
	a := r.attempt
	row := &claimRow{
		AttemptID: a.AttemptID, Number: a.Number, Epoch: a.Epoch, RunID: r.ID, RunName: r.Name, ScheduledTime: r.ScheduledTime,
		Timezone: r.Timezone, Tags: r.Tags, Parameters: r.Parameters, RunVariables: r.JobVariables, Stored: database.JSON(a.input.Stored),
		TimeoutAt: r.TimeoutAt, StartedAt: r.StartedAt, StartDeadlineAt: r.StartDeadlineAt, StateType: r.StateType,
		claimSetting: r.setting(pool), Clock: r.Clock,
	}
	if a.raised != nil {
		row.Raised = database.JSON(*a.raised)
	}
	return row
}

// claims returns the claimed attempts in order. It reads only the rows that are not in memory yet.
func (q Reader) claims(ctx context.Context, g *claimResult) ([]Claim, error) {
	rows := g.rows
	var unknown []uuid.UUID
	for _, h := range g.attempts {
		if rows[h.AttemptID] == nil {
			unknown = append(unknown, h.AttemptID)
		}
	}
	if len(unknown) > 0 {
		var read []*claimRow
		if err := q.db.All(ctx, &read, claimsSQL(q.db.Dialect()), database.ListOf(unknown)); err != nil {
			return nil, fmt.Errorf("read claimed attempts: %w", err)
		}
		for _, row := range read {
			rows[row.AttemptID] = row
		}
	}
	settings, err := q.settings(ctx, settingsOf(rows))
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		q.db.AdvanceClock(row.Clock)
	}
	now, err := q.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	claims := make([]Claim, 0, len(g.attempts))
	for _, h := range g.attempts {
		row := rows[h.AttemptID]
		// Read after the claim was stored: by now the attempt may be gone, or another worker's under the next epoch.
		if row == nil || row.Epoch != h.Epoch || settings[row.claimSetting] == nil {
			continue
		}
		c, err := row.claim(settings[row.claimSetting], now)
		if err != nil {
			return nil, err
		}
		c.Takeover, c.Waited, c.JobKey = h.Takeover, h.Waited, g.keys[h.AttemptID]
		claims = append(claims, c)
	}
	return claims, nil
}

func settingsOf(rows map[uuid.UUID]*claimRow) iter.Seq[claimSetting] {
	return func(yield func(claimSetting) bool) {
		for _, r := range rows {
			if !yield(r.claimSetting) {
				return
			}
		}
	}
}

// settings reads each once, and remembers it: none of it ever changes.
func (q Reader) settings(
	ctx context.Context, wanted iter.Seq[claimSetting],
) (map[claimSetting]*settingRow, error) {
	settings := map[claimSetting]*settingRow{}
	unknown := map[claimSetting]bool{}
	for setting := range wanted {
		if settings[setting] != nil || unknown[setting] {
			continue
		}
		if known, ok := q.s.settings.get(setting); ok {
			settings[setting] = known
		} else {
			unknown[setting] = true
		}
	}
	if len(unknown) == 0 {
		return settings, nil
	}
	var found []*settingRow
	if err := q.db.All(ctx, &found, settingsSQL(q.db.Dialect()), database.ListOf(slices.Collect(maps.Keys(unknown)))); err != nil {
		return nil, fmt.Errorf("read the deployments of claimed attempts: %w", err)
	}
	for _, s := range found {
		var err error
		if s.frozen, err = s.readFrozen(); err != nil {
			return nil, err
		}
		settings[s.claimSetting] = s
		q.s.settings.put(s.claimSetting, s)
	}
	return settings, nil
}

func (r *claimRow) claim(s *settingRow, now time.Time) (Claim, error) {
	own, err := overlay(database.ObjectOrEmpty(r.RunVariables.Raw()), r.Raised)
	if err != nil {
		return Claim{}, err
	}
	parameters, err := s.heldParameters(r.Parameters)
	if err != nil {
		return Claim{}, err
	}
	c := Claim{
		AttemptID: r.AttemptID, Attempt: r.Number, Epoch: r.Epoch, RunID: r.RunID, RunName: r.RunName,
		DeploymentID: s.DeploymentID, Deployment: s.Deployment, DeploymentVersion: s.DeploymentVersion, Pool: s.Pool,
		Queue: s.Queue, ScheduledTime: r.ScheduledTime.Time(), Timezone: r.Timezone, Tags: r.Tags.V, Parameters: parameters,
		TemplateVersionID: r.TemplateVersionID, TemplateVersion: s.TemplateVersion,
		DeploymentVariables: s.DeploymentVariables.Raw(), RunVariables: own, Frozen: s.frozen.object,
		Stored: r.Stored.Raw(), TimeoutLeft: r.timeoutLeft(s, now), Manifest: r.Manifest.Raw(), JobUID: r.JobUID,
		Cancelling: r.StateType == lifecycle.Cancelling, OutputSize: r.OutputSize, OutputPosition: r.OutputPosition,
	}
	if r.StartedAt == nil {
		c.StartDeadline = r.StartDeadlineAt.Ptr()
	}
	return c, nil
}

// overlay returns base with the members of over set; nil over returns base.
func overlay(base, over database.JSON) (json.RawMessage, error) {
	if over == nil {
		return base.Raw(), nil
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
		return database.Duration(s.TimeoutUS)
	}
	left := max(r.TimeoutAt.Time().Sub(now), 0)
	return &left
}
