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
	"github.com/berth-dev/berth/server/store/database"
)

// Report applies the reports of a worker and returns one result per report, in order. lifecycle.Decide
// decides the effect of each from the locked attempt and run. Several reports of one attempt apply one after
// another.
func (tx *Tx) Report(ctx context.Context, worker string, reports []Report) ([]ReportResult, error) {
	if len(reports) == 0 {
		return nil, nil
	}
	b, err := tx.openReports(ctx, reports)
	if err != nil {
		return nil, fmt.Errorf("store the reports of worker %q: %w", worker, err)
	}
	if err := b.readNoted(ctx, tx, reports); err != nil {
		return nil, fmt.Errorf("store the reports of worker %q: %w", worker, err)
	}
	results := make([]ReportResult, len(reports))
	for i, r := range reports {
		a := b.attempts[r.AttemptID]
		if a == nil || b.runs[a.RunID] == nil {
			results[i] = ReportResult{Status: ReportUnknown, Message: "attempt not found"}
			continue
		}
		if err := b.findRaise(ctx, tx, a, b.runs[a.RunID], r); err != nil {
			return nil, fmt.Errorf("store the reports of worker %q: %w", worker, err)
		}
		results[i] = b.apply(tx, a, b.runs[a.RunID], r, "worker "+worker)
		if err := b.noteFindings(a, r, results[i]); err != nil {
			return nil, fmt.Errorf("store the reports of worker %q: %w", worker, err)
		}
	}
	if err := b.save(ctx, tx); err != nil {
		return nil, fmt.Errorf("store the reports of worker %q: %w", worker, err)
	}
	return results, nil
}

// Report runs Tx.Report in a transaction.
func (s *Store) Report(ctx context.Context, worker string, reports []Report) ([]ReportResult, error) {
	return inTx(ctx, s, func(tx *Tx) ([]ReportResult, error) { return tx.Report(ctx, worker, reports) })
}

// reportBatch is what reports are about, locked.
type reportBatch struct {
	now      time.Time
	runs     map[uuid.UUID]*lockedRun
	attempts map[uuid.UUID]*liveAttempt
	// findings are what rules said, by attempt.
	findings map[uuid.UUID]ruleFindingsRecord
}

func (tx *Tx) openReports(ctx context.Context, reports []Report) (*reportBatch, error) {
	ids := make([]uuid.UUID, len(reports))
	for i, r := range reports {
		ids[i] = r.AttemptID
	}
	return tx.lockReported(ctx, ids)
}

// apply decides about one report and changes attempt and run in memory.
func (b *reportBatch) apply(tx *Tx, a *liveAttempt, run *lockedRun, r Report, actor string) ReportResult {
	manifestHash := ""
	if len(r.Manifest) > 0 {
		sum := sha256.Sum256(r.Manifest)
		manifestHash = hex.EncodeToString(sum[:])
	}
	r.Diagnosis = database.CutOutput(r.Diagnosis)
	r.Outcome.Message = database.CutOutput(r.Outcome.Message)
	d := lifecycle.Decide(a.standing(run), lifecycle.Report{
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
		if d.HandedBack || d.Outcome != nil {
			b.ended(tx, a, run, r, d)
		}
		if manifestHash != "" && r.Kind == ReportManifest {
			manifest := string(r.Manifest)
			a.Manifest, a.ManifestHash = &manifest, manifestHash
			run.TemplateTimeoutUS = database.Microseconds(r.Timeout)
			run.TemplateInfrastructureMax = r.InfrastructureMax
			run.changed = true
		}
		if d.State != nil {
			run.move(*d.State, b.now, actor, a.Number)
			if run.EndedAt != nil { // when it ended in the cluster, not when the server heard of it
				run.EndedAt = a.EndedAt
			}
		}
		result.Change = b.changed(&before, a, due, run, r)
	}
	return result
}

// noteFindings keeps what rules said with an accepted report.
func (b *reportBatch) noteFindings(a *liveAttempt, r Report, result ReportResult) error {
	if result.Status != ReportAccepted {
		return nil
	}
	record, some, err := ruleFindingsOf(a.RunID, a.Number, r.RuleFindings)
	if err != nil || !some {
		return err
	}
	if b.findings == nil {
		b.findings = map[uuid.UUID]ruleFindingsRecord{}
	}
	b.findings[a.ID] = record
	return nil
}

// changed returns the change of an attempt by a report, nil for none.
func (b *reportBatch) changed(
	before, a *liveAttempt, due database.Time, run *lockedRun, r Report,
) *AttemptChange {
	c := &AttemptChange{Pool: run.Pool, Run: run.StateType}
	if before.SubmittedAt == nil {
		c.Dispatched = between(&due, a.SubmittedAt)
	}
	if before.RunningAt == nil {
		c.Started = between(a.SubmittedAt, a.RunningAt)
	}
	if before.EndedAt == nil && a.EndedAt != nil && !a.HandedBack {
		c.Ran = between(a.RunningAt, a.EndedAt)
		c.Recorded = between((*database.Time)(r.At), database.TimeOf(&b.now))
		c.Outcome = &lifecycle.Outcome{
			Succeeded: a.Succeeded,
			Category:  a.Category,
			ExitCode:  a.ExitCode,
			Message:   a.Message,
		}
	}
	if c.Dispatched == nil && c.Started == nil && c.Outcome == nil {
		return nil
	}
	return c
}

// between returns nil if one of the times is unknown. It never returns a negative duration: the clocks of two
// machines may differ.
func between(from, to *database.Time) *time.Duration {
	if from == nil || to == nil {
		return nil
	}
	d := max(0, to.Time().Sub(from.Time()))
	return &d
}

func (a *liveAttempt) standing(run *lockedRun) lifecycle.CurrentState {
	standing := lifecycle.CurrentState{
		Run: run.StateType, CancelReason: run.CancelReason, Phase: a.Phase, Epoch: a.Epoch, Manifest: a.ManifestHash,
		JobUID: a.JobUID, Started: a.RunningAt != nil, HandedBack: a.HandedBack, Policy: run.policy(), RetriesUsed: run.Spent.V,
		Random: rand.Float64(),
		Outcome: lifecycle.Outcome{
			Succeeded: a.Succeeded,
			Category:  a.Category,
			ExitCode:  a.ExitCode,
			Message:   a.Message,
		},
	}
	if a.raise != nil {
		standing.MemoryRaise = &a.raise.shown
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
			*to = database.CleanText(from)
		}
	}
	if r.Kind == ReportPending || r.Kind == ReportRunning {
		a.Diagnosis = r.Diagnosis
	}
	if r.LastLines != "" {
		lines := database.CutOutputBegin(r.LastLines)
		a.LastLines = &lines
	}
}

// started notes when a container of the attempt first ran; with the run's first start its timeout begins.
func (b *reportBatch) started(a *liveAttempt, run *lockedRun, r Report) {
	at := b.at(a, r)
	if a.RunningAt == nil {
		a.RunningAt = at
	}
	if run.StartedAt == nil {
		run.StartedAt, run.changed = at, true
	}
	if limit := run.timeout(); run.TimeoutAt == nil && limit != nil {
		deadline := at.Time().Add(*database.Duration(limit))
		run.TimeoutAt, run.changed = database.TimeOf(&deadline), true
	}
}

// ended ends the attempt, which frees its slot, and moves the run in the same transaction.
func (b *reportBatch) ended(tx *Tx, a *liveAttempt, run *lockedRun, r Report, d lifecycle.Decision) {
	a.EndedAt = b.at(a, r)
	run.changed = true
	tx.db.HintTurns(PoolTopic(run.Pool), 1) // its slot is free
	if d.HandedBack {
		a.HandedBack = true
		run.Attempt, run.Spent.V = a.Number-1, d.RetriesUsed
		if d.RetryAfter > 0 { // else due_at stays, so the run keeps its place in the queue
			run.DueAt = database.Time(b.now.Add(d.RetryAfter))
		}
		return
	}
	o := d.Outcome.Outcome
	a.Succeeded, a.ExitCode, a.Category, a.Message = o.Succeeded, o.ExitCode, o.Category, o.Message
	run.ExitCode, run.Category, run.Spent.V = o.ExitCode, o.Category, d.Outcome.RetriesUsed
	if d.Outcome.MemoryRaised {
		run.Raised = &a.raise.stored
	}
	if d.Outcome.Retry {
		run.DueAt = database.Time(b.now.Add(d.Outcome.RetryAfter))
	}
}

// at returns the time that the cluster reported, bounded to a plausible range.
func (b *reportBatch) at(a *liveAttempt, r Report) *database.Time {
	at := b.now
	if r.At != nil && r.At.Before(at) {
		at = *r.At
	}
	earliest := a.ClaimedAt
	if r.Kind == ReportEnded && a.RunningAt != nil {
		earliest = *a.RunningAt
	}
	if at.Before(earliest.Time()) {
		at = earliest.Time()
	}
	return database.TimeOf(&at)
}
