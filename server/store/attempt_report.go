package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
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
		if results[i], err = b.report(ctx, tx, r, "worker "+worker); err != nil {
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

// reportBatch is what reports are about.
type reportBatch struct {
	now  time.Time
	runs map[uuid.UUID]*lockedRun             // with attempts under way, by attempt
	past map[uuid.UUID]lifecycle.CurrentState // of attempts that are over, by attempt
	// findings are what rules said, by attempt.
	findings map[uuid.UUID]ruleFindingsRecord
	// indexes are how the indexes of Indexed Jobs stand, by attempt.
	indexes map[uuid.UUID]indexesRecord
}

func (tx *Tx) openReports(ctx context.Context, reports []Report) (*reportBatch, error) {
	ids := make([]uuid.UUID, len(reports))
	for i, r := range reports {
		ids[i] = r.AttemptID
	}
	rows, err := tx.lockLive(ctx, liveByAttemptSQL(tx.db.Dialect()), ids)
	if err != nil {
		return nil, err
	}
	b := &reportBatch{runs: make(map[uuid.UUID]*lockedRun, len(rows))}
	for _, r := range rows {
		b.runs[r.attempt.AttemptID] = r
	}
	if err := tx.locked(ctx, b.runs); err != nil {
		return nil, err
	}
	var over []uuid.UUID
	for _, id := range ids {
		if b.runs[id] == nil {
			over = append(over, id)
		}
	}
	if b.past, err = tx.pastAttempts(ctx, over); err != nil {
		return nil, err
	}
	b.now, err = tx.db.Now(ctx)
	return b, err
}

// report answers one report.
func (b *reportBatch) report(ctx context.Context, tx *Tx, r Report, actor string) (ReportResult, error) {
	run := b.runs[r.AttemptID]
	if run == nil {
		current, known := b.past[r.AttemptID]
		if !known {
			return ReportResult{Status: ReportUnknown, Message: "attempt not found"}, nil
		}
		d := lifecycle.Decide(current, r.decisive())
		return ReportResult{Status: d.Status, Message: d.Message}, nil
	}
	if err := b.findRaise(ctx, tx, run, r); err != nil {
		return ReportResult{}, err
	}
	var err error
	if r.unserved, err = tx.unserved(ctx, run, r); err != nil {
		return ReportResult{}, err
	}
	result := b.apply(tx, run, r, actor)
	b.noteIndexes(run, r, result)
	return result, b.noteFindings(run, r, result)
}

// unserved reports whether an attempt is handed back for a namespace that no worker of its pool serves, alive or not: one
// that does may only be restarting.
func (tx *Tx) unserved(ctx context.Context, run *lockedRun, r Report) (bool, error) {
	if r.Kind != ReportHandedBack || r.JobNamespace == "" {
		return false, nil
	}
	workers, err := tx.ListWorkers(ctx, run.Pool)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(workers, func(w Worker) bool {
		return len(w.Namespaces) == 0 || slices.Contains(w.Namespaces, r.JobNamespace)
	}), nil
}

// decisive are the parts of a report that a decision depends on.
func (r Report) decisive() lifecycle.Report {
	return lifecycle.Report{
		Kind: r.Kind, Epoch: r.Epoch, Manifest: r.manifestHash(), JobUID: r.JobUID, JobName: r.JobName, Node: r.Node,
		Diagnosis: r.Diagnosis, Outcome: r.Outcome, Unserved: r.unserved,
	}
}

func (r Report) manifestHash() string {
	if len(r.Manifest) == 0 {
		return ""
	}
	sum := sha256.Sum256(r.Manifest)
	return hex.EncodeToString(sum[:])
}

// apply decides about one report and changes attempt and run in memory.
func (b *reportBatch) apply(tx *Tx, run *lockedRun, r Report, actor string) ReportResult {
	r.Diagnosis = database.CutOutput(r.Diagnosis)
	r.Outcome.Message = database.CutOutput(r.Outcome.Message)
	if r.Kind == ReportEnded && r.Outcome.Category == lifecycle.App {
		r.Outcome.Line = lifecycle.ErrorLine(database.CutOutputBegin(cmp.Or(r.LastLines, run.attempt.lastLines)))
	}
	decisive := r.decisive()
	standing := run.standing()
	takes := standing.TakesManifest(decisive)
	if takes { // the template's limits, which the decision depends on, come with it
		run.TemplateTimeoutUS = database.Microseconds(r.Timeout)
		run.TemplateInfrastructureMax = r.InfrastructureMax
		standing.Policy = run.policy()
	}
	d := lifecycle.Decide(standing, decisive)
	result := ReportResult{Status: d.Status, Message: d.Message}
	if !d.Changed {
		return result
	}
	a := run.attempt
	before, due := *a, run.DueAt
	b.countSuspension(run, d.Phase)
	b.change(run, r, d)
	if takes {
		manifest := string(r.Manifest)
		a.manifest, a.ManifestHash = &manifest, decisive.Manifest
		a.renderedAt = b.renderedAt(a, r)
		run.keepDeadline(b.now)
	}
	if d.Phase == PhaseRunning && r.Kind == ReportRunning {
		b.started(run, r)
	}
	if d.HandedBack || d.Outcome != nil {
		b.ended(tx, run, r, d)
	}
	if d.State != nil {
		run.move(*d.State, b.now, actor, a.Number)
		if run.EndedAt != nil { // when it ended in the cluster, not when the server heard of it
			run.EndedAt = &a.end.at
		}
	}
	result.Change = b.changed(&before, due, run, r)
	return result
}

// noteFindings keeps what rules said with an accepted report.
func (b *reportBatch) noteFindings(run *lockedRun, r Report, result ReportResult) error {
	if result.Status != ReportAccepted {
		return nil
	}
	record, some, err := ruleFindingsOf(run.ID, run.attempt.Number, r.RuleFindings)
	if err != nil || !some {
		return err
	}
	if b.findings == nil {
		b.findings = map[uuid.UUID]ruleFindingsRecord{}
	}
	b.findings[run.attempt.AttemptID] = record
	return nil
}

// changed returns the change of an attempt by a report, nil for none.
func (b *reportBatch) changed(before *liveAttempt, due database.Time, run *lockedRun, r Report) *AttemptChange {
	a := run.attempt
	c := &AttemptChange{Pool: run.Pool, RunID: run.ID, Run: run.StateType}
	if before.SubmittedAt == nil {
		c.Dispatched = between(&due, a.SubmittedAt)
	}
	if before.RunningAt == nil {
		c.Started = between(a.SubmittedAt, a.RunningAt)
	}
	if before.end == nil && a.end != nil && !a.end.handedBack {
		c.Ran = between(a.RunningAt, &a.end.at)
		c.Recorded = between((*database.Time)(r.At), database.TimeOf(&b.now))
		c.Outcome = &a.end.outcome
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

// standing is the state of a run with an attempt under way, as a decision needs it.
func (r *lockedRun) standing() lifecycle.CurrentState {
	a := r.attempt
	standing := lifecycle.CurrentState{
		Run: r.StateType, Message: r.StateMessage, CancelReason: r.CancelReason, Phase: a.Phase, Epoch: a.Epoch, Manifest: a.ManifestHash,
		JobUID: a.JobUID, Started: a.RunningAt != nil, Policy: r.policy(), RetriesUsed: r.Spent.V,
		Random: rand.Float64(),
	}
	if a.end != nil { // by an earlier report of the same call
		standing.HandedBack, standing.Outcome = a.end.handedBack, a.end.outcome
	}
	if a.raise != nil {
		standing.MemoryRaise = &a.raise.shown
	}
	return standing
}

// change takes over what any report may carry.
func (b *reportBatch) change(run *lockedRun, r Report, d lifecycle.Decision) {
	a := run.attempt
	run.changed = true
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
	if r.Image != "" {
		a.image = database.CleanText(r.Image)
	}
	if r.LastLines != "" {
		a.lastLines = database.CutOutputBegin(r.LastLines)
	}
}

// started notes when a container of the attempt first ran; with the run's first start its timeout begins.
func (b *reportBatch) started(run *lockedRun, r Report) {
	a := run.attempt
	at := b.at(a, r)
	if a.RunningAt == nil {
		a.RunningAt = at
	}
	if run.StartedAt == nil {
		run.StartedAt = at
	}
	if limit := run.timeout(); run.TimeoutAt == nil && limit != nil {
		deadline := at.Time().Add(*database.Duration(limit))
		run.TimeoutAt = database.TimeOf(&deadline)
		run.keepDeadline(b.now)
	}
}

// countSuspension notes that a Job which ran is suspended, and moves the timeout of the run when it is not any longer: what a
// queue takes of the time does not count.
func (b *reportBatch) countSuspension(run *lockedRun, next lifecycle.Phase) {
	a := run.attempt
	switch {
	case a.Phase == PhaseRunning && next == PhasePending:
		a.SuspendedAt = database.TimeOf(&b.now)
	case a.SuspendedAt != nil && next != PhasePending:
		if run.TimeoutAt != nil {
			moved := run.TimeoutAt.Time().Add(max(0, b.now.Sub(a.SuspendedAt.Time())))
			run.TimeoutAt = database.TimeOf(&moved)
		}
		a.SuspendedAt = nil
	}
}

// ended ends the attempt, which frees its slot, and moves the run in the same transaction.
func (b *reportBatch) ended(tx *Tx, run *lockedRun, r Report, d lifecycle.Decision) {
	a := run.attempt
	a.end = &attemptEnd{at: *b.at(a, r), due: run.DueAt, handedBack: d.HandedBack}
	tx.db.HintTurns(PoolTopic(run.Pool), 1) // its slot is free
	if d.HandedBack {
		run.Attempt, run.Spent.V = a.Number-1, d.RetriesUsed
		// Without a delay due_at stays, so that the run keeps its place in the queue. It was due when it was claimed: only a
		// clock that has gone back since makes it later than now.
		if d.RetryAfter > 0 || run.DueAt.Time().After(b.now) {
			run.DueAt = database.Time(b.now.Add(d.RetryAfter))
		}
		return
	}
	a.end.outcome = d.Outcome.Outcome
	run.ExitCode, run.Category, run.Spent.V = a.end.outcome.ExitCode, a.end.outcome.Category, d.Outcome.RetriesUsed
	if d.Outcome.MemoryRaised {
		run.Raised = &a.raise.stored
	}
	if d.Outcome.Retry {
		run.DueAt = database.Time(b.now.Add(d.Outcome.RetryAfter))
	}
}

// renderedAt returns the time by the worker's clock, bounded to a plausible range; nil if it did not say.
func (b *reportBatch) renderedAt(a *liveAttempt, r Report) *database.Time {
	if r.RenderedAt == nil {
		return nil
	}
	at := *r.RenderedAt
	if at.After(b.now) {
		at = b.now
	}
	if at.Before(a.ClaimedAt.Time()) {
		at = a.ClaimedAt.Time()
	}
	return database.TimeOf(&at)
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

func (b *reportBatch) save(ctx context.Context, tx *Tx) error {
	if err := tx.saveRuns(ctx, b.runs); err != nil {
		return err
	}
	if err := tx.putIndexes(ctx, slices.Collect(maps.Values(b.indexes))); err != nil {
		return err
	}
	return tx.putRuleFindings(ctx, slices.Collect(maps.Values(b.findings)))
}
