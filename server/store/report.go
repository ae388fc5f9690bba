package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
)

// Report carries out what workers say of attempts, one answer per report, in order. What each report does is decided by
// lifecycle.Decide from where attempt and run stand under their locks; several reports of one attempt follow each other.
func (tx *Tx) Report(ctx context.Context, worker string, reports []Report) ([]ReportResult, error) {
	b, err := tx.openReports(ctx, reports)
	if err != nil {
		return nil, fmt.Errorf("take reports of worker %q: %w", worker, err)
	}
	results := make([]ReportResult, len(reports))
	for i, r := range reports {
		a := b.attempts[r.AttemptID]
		if a == nil || b.runs[a.RunID] == nil {
			results[i] = ReportResult{Status: ReportUnknown, Message: "no such attempt"}
			continue
		}
		if err := b.findRaise(ctx, tx, a, b.runs[a.RunID], r); err != nil {
			return nil, fmt.Errorf("take reports of worker %q: %w", worker, err)
		}
		results[i] = b.apply(tx, a, b.runs[a.RunID], r, "worker "+worker)
	}
	if err := b.save(ctx, tx); err != nil {
		return nil, fmt.Errorf("take reports of worker %q: %w", worker, err)
	}
	return results, nil
}

// reportBatch is what reports are about, locked.
type reportBatch struct {
	now      time.Time
	runs     map[uuid.UUID]*liveRun
	attempts map[uuid.UUID]*liveAttempt
}

// liveAttempt is an attempt's row that is locked and may be changed.
type liveAttempt struct {
	ID           uuid.UUID          `db:"id" json:"id"`
	RunID        uuid.UUID          `db:"run_id" json:"-"`
	Number       int32              `db:"number" json:"-"`
	Epoch        int64              `db:"epoch" json:"-"`
	Phase        Phase              `db:"phase" json:"phase"`
	Manifest     *string            `db:"-" json:"manifest"` // nil: as it is
	ManifestHash string             `db:"manifest_hash" json:"manifest_hash"`
	JobNamespace string             `db:"job_namespace" json:"job_namespace"`
	JobName      string             `db:"job_name" json:"job_name"`
	JobUID       string             `db:"job_uid" json:"job_uid"`
	Node         string             `db:"node" json:"node"`
	Diagnosis    string             `db:"diagnosis" json:"diagnosis"`
	Succeeded    bool               `db:"succeeded" json:"succeeded"`
	ExitCode     *int32             `db:"exit_code" json:"exit_code"`
	Category     lifecycle.Category `db:"category" json:"category"`
	Message      string             `db:"message" json:"message"`
	LastLines    *string            `db:"-" json:"last_lines"` // nil: as they are
	HandedBack   bool               `db:"handed_back" json:"handed_back"`
	ClaimedAt    stamp              `db:"claimed_at" json:"-"`
	SubmittedAt  *stamp             `db:"submitted_at" json:"-"`
	RunningAt    *stamp             `db:"running_at" json:"-"`
	EndedAt      *stamp             `db:"ended_at" json:"-"`
	Clock        *stamp             `db:"clock" json:"-"` // the database's time; nil on SQLite

	changed bool
	raise   *raising // what the next attempt could be given; nil: nothing
}

func (d dialect) liveAttemptsSQL() string {
	return `
SELECT
	` + d.clock() + ` AS clock,
	id, run_id, number, epoch, phase, manifest_hash, job_namespace, job_name, job_uid, node, diagnosis, succeeded,
	exit_code, category, message, handed_back, claimed_at, submitted_at, running_at, ended_at
FROM attempts
WHERE id IN `
}

func (tx *Tx) openReports(ctx context.Context, reports []Report) (*reportBatch, error) {
	ids := make([]uuid.UUID, len(reports))
	for i, r := range reports {
		ids[i] = r.AttemptID
	}
	b := &reportBatch{attempts: map[uuid.UUID]*liveAttempt{}}
	var err error
	if b.runs, err = tx.lockRunsOf(ctx, ids); err != nil {
		return nil, err
	}
	var rows []*liveAttempt
	query := tx.s.dialect.liveAttemptsSQL() + tx.s.dialect.list("uuid") + " ORDER BY id" + tx.s.dialect.lock("FOR NO KEY UPDATE")
	if err := tx.all(ctx, &rows, query, listOf(ids)); err != nil {
		return nil, err
	}
	for _, a := range rows {
		b.attempts[a.ID] = a
		tx.tell(a.Clock) // asked for when the runs had been locked
	}
	b.now, err = tx.now(ctx)
	return b, err
}

// apply decides about one report and changes attempt and run in memory.
func (b *reportBatch) apply(tx *Tx, a *liveAttempt, run *liveRun, r Report, actor string) ReportResult {
	manifestHash := ""
	if len(r.Manifest) > 0 {
		sum := sha256.Sum256(r.Manifest)
		manifestHash = hex.EncodeToString(sum[:])
	}
	r.Diagnosis = clean(r.Diagnosis)
	r.Outcome.Message = clean(r.Outcome.Message)
	d := lifecycle.Decide(a.standing(run), lifecycle.Fact{
		Kind: r.Kind, Epoch: r.Epoch, Manifest: manifestHash, JobUID: r.JobUID, JobName: r.JobName, Node: r.Node,
		Diagnosis: r.Diagnosis, Outcome: r.Outcome,
	})
	result := ReportResult{Status: d.Status, Message: d.Message}
	if d.Changed {
		before, due := *a, run.DueAt
		b.change(a, r, d)
		if d.Phase == PhaseRunning && r.Kind == ReportRunning {
			b.started(a, run, r)
		}
		if d.Back || d.End != nil {
			b.ended(tx, a, run, r, d)
		}
		if manifestHash != "" && r.Kind == ReportManifest {
			manifest := string(r.Manifest)
			a.Manifest, a.ManifestHash = &manifest, manifestHash
			run.TemplateTimeoutUS, run.TemplateInfrastructureMax = microseconds(r.Timeout), r.InfrastructureMax
			run.changed = true
		}
		if d.State != nil {
			run.move(*d.State, b.now, actor, a.Number)
		}
		result.Change = b.changed(&before, a, due, run, r)
	}
	return result
}

// changed says what has become known of an attempt by a report, nil for nothing.
func (b *reportBatch) changed(before, a *liveAttempt, due stamp, run *liveRun, r Report) *Change {
	c := &Change{Pool: run.Pool, Run: run.StateType}
	if before.SubmittedAt == nil {
		c.Dispatched = between(&due, a.SubmittedAt)
	}
	if before.RunningAt == nil {
		c.Started = between(a.SubmittedAt, a.RunningAt)
	}
	if before.EndedAt == nil && a.EndedAt != nil && !a.HandedBack {
		c.Ran = between(a.RunningAt, a.EndedAt)
		c.Recorded = between((*stamp)(r.At), stampOf(&b.now))
		c.Outcome = &lifecycle.Outcome{Succeeded: a.Succeeded, Category: a.Category, ExitCode: a.ExitCode, Message: a.Message}
	}
	if c.Dispatched == nil && c.Started == nil && c.Outcome == nil {
		return nil
	}
	return c
}

// between is nil where one of the times is not known; clocks of two machines may disagree, but nothing takes less than no
// time.
func between(from, to *stamp) *time.Duration {
	if from == nil || to == nil {
		return nil
	}
	d := max(0, to.time().Sub(from.time()))
	return &d
}

func (a *liveAttempt) standing(run *liveRun) lifecycle.Standing {
	standing := lifecycle.Standing{
		Run: run.StateType, Reason: run.CancelReason, Phase: a.Phase, Epoch: a.Epoch, Manifest: a.ManifestHash,
		JobUID: a.JobUID, Started: a.RunningAt != nil, Back: a.HandedBack, Policy: run.policy(), Spent: run.Spent.v,
		Random:  rand.Float64(),
		Outcome: lifecycle.Outcome{Succeeded: a.Succeeded, Category: a.Category, ExitCode: a.ExitCode, Message: a.Message},
	}
	if a.raise != nil {
		standing.Raise = &a.raise.shown
	}
	return standing
}

// change takes over what any report may carry.
func (b *reportBatch) change(a *liveAttempt, r Report, d lifecycle.Decision) {
	a.changed = true
	a.Phase = d.Phase
	if a.JobUID == "" && r.JobUID != "" {
		a.JobUID, a.SubmittedAt = r.JobUID, b.at(a, r)
	}
	for to, from := range map[*string]string{&a.JobNamespace: r.JobNamespace, &a.JobName: r.JobName, &a.Node: r.Node} {
		if from != "" {
			*to = clean(from)
		}
	}
	if r.Kind == ReportPending || r.Kind == ReportRunning {
		a.Diagnosis = r.Diagnosis
	}
	if r.LastLines != "" {
		lines := clean(r.LastLines)
		a.LastLines = &lines
	}
}

// started notes when a container of the attempt first ran; with the run's first start its timeout begins.
func (b *reportBatch) started(a *liveAttempt, run *liveRun, r Report) {
	at := b.at(a, r)
	if a.RunningAt == nil {
		a.RunningAt = at
	}
	if run.StartedAt == nil {
		run.StartedAt, run.changed = at, true
	}
	if limit := run.timeout(); run.TimeoutAt == nil && limit != nil {
		deadline := at.time().Add(*duration(limit))
		run.TimeoutAt, run.changed = stampOf(&deadline), true
	}
}

// ended frees the attempt's slot, in the same transaction as everything else that its end means.
func (b *reportBatch) ended(tx *Tx, a *liveAttempt, run *liveRun, r Report, d lifecycle.Decision) {
	a.EndedAt = b.at(a, r)
	run.changed = true
	tx.hint(PoolTopic(run.Pool))
	if d.Back {
		a.HandedBack = true
		run.Attempt = a.Number - 1 // due since when it was: it keeps its place in line
		return
	}
	o := d.End.Outcome
	a.Succeeded, a.ExitCode, a.Category, a.Message = o.Succeeded, o.ExitCode, o.Category, o.Message
	run.ExitCode, run.Category, run.Spent.v = o.ExitCode, o.Category, d.End.Spent
	if d.End.Raised {
		run.Raised = &a.raise.kept
	}
	if d.End.Retry {
		run.DueAt = stamp(b.now.Add(d.End.RetryAfter))
	}
}

// at is when it happened: what the cluster says, within what can be.
func (b *reportBatch) at(a *liveAttempt, r Report) *stamp {
	at := b.now
	if r.At != nil && r.At.Before(at) {
		at = *r.At
	}
	if at.Before(a.ClaimedAt.time()) {
		at = a.ClaimedAt.time()
	}
	return stampOf(&at)
}

type liveAttemptRecord struct {
	*liveAttempt
	SubmittedAt *micros `json:"submitted_at"`
	RunningAt   *micros `json:"running_at"`
	EndedAt     *micros `json:"ended_at"`
}

func (d dialect) updateAttemptsSQL() string {
	return `
UPDATE attempts
SET phase = n.phase,
	manifest = COALESCE(n.manifest, attempts.manifest),
	manifest_hash = n.manifest_hash,
	job_namespace = n.job_namespace,
	job_name = n.job_name,
	job_uid = n.job_uid,
	node = n.node,
	diagnosis = n.diagnosis,
	succeeded = n.succeeded,
	exit_code = n.exit_code,
	category = n.category,
	message = n.message,
	last_lines = COALESCE(n.last_lines, attempts.last_lines),
	submitted_at = n.submitted_at,
	running_at = n.running_at,
	ended_at = n.ended_at,
	handed_back = n.handed_back
FROM ` + d.records("id uuid", "phase text", "manifest text", "manifest_hash text", "job_namespace text", "job_name text",
		"job_uid text", "node text", "diagnosis text", "succeeded boolean", "exit_code integer", "category text", "message text",
		"last_lines text", "submitted_at time", "running_at time", "ended_at time", "handed_back boolean") + ` AS n
WHERE attempts.id = n.id`
}

func (b *reportBatch) save(ctx context.Context, tx *Tx) error {
	var changed []liveAttemptRecord
	for _, a := range b.attempts {
		if a.changed {
			changed = append(changed, liveAttemptRecord{
				liveAttempt: a, SubmittedAt: a.SubmittedAt.micros(), RunningAt: a.RunningAt.micros(), EndedAt: a.EndedAt.micros(),
			})
		}
	}
	changes := tx.changesOf(b.runs)
	if len(changed) > 0 {
		changes = append(changes, statement{tx.s.dialect.updateAttemptsSQL(), []any{listOf(changed)}})
	}
	if err := tx.together(ctx, changes...); err != nil {
		return fmt.Errorf("save attempts and runs: %w", err)
	}
	return nil
}
