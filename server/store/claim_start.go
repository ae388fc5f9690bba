package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// startAttempts gives runs their next attempt and fixes its render input: the newest template version, what the
// deployment freezes now, and the current stored variables. An attempt that was handed back is used again under the
// next epoch.
func (tx *Tx) startAttempts(
	ctx context.Context,
	r ClaimRequest,
	pool *claimPool,
	due []*dueRun,
	settings map[claimSetting]*settingRow,
	result *claimResult,
) error {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	input, err := tx.renderInput(ctx, pool, due, settings)
	if err != nil {
		return err
	}
	state := lifecycle.State{Type: lifecycle.Pending, Name: "Claimed", Message: "claimed by worker " + r.Worker}
	terms := &claimTerms{
		SessionID: r.Session, RequestID: r.RequestID, Worker: r.Worker, ClusterID: r.ClusterID,
		TemplateVersionID: pool.TemplateVersionID, StateType: state.Type, StateName: state.Name, StateMessage: state.Message,
		Phase: PhaseClaimed, ClaimedAt: database.Time(now),
	}
	for _, run := range due {
		stored, err := input.stored(storedNames(run, settings[run.setting(pool)]))
		if err != nil {
			return err
		}
		if !result.takes(r, len(result.attempts), len(stored)) {
			return nil
		}
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("generate an ID: %w", err)
		}
		if run.HandedBackID != nil {
			id = *run.HandedBackID
		}
		hash, err := result.newJobKey(r, id)
		if err != nil {
			return err
		}
		waited := now.Sub(latest(run.DueAt, run.StateAt))
		run.Attempt++
		run.attempt = &liveAttempt{
			attemptKey: attemptKey{
				AttemptID: id, Number: run.Attempt, Epoch: run.ReadyEpoch + 1, ClaimedAt: terms.ClaimedAt,
			},
			attemptState: attemptState{Phase: terms.Phase},
			claimed:      terms,
			input:        attemptInput{FrozenRevisionID: run.FrozenRevisionID, Stored: stored, JobKeyHashes: hash},
			raised:       run.Raised,
		}
		run.move(state, now, "worker "+r.Worker, run.Attempt)
		run.DeadlineAt = nil
		run.keepDeadline(now)
		result.attempts = append(result.attempts, claimedAttempt{AttemptID: id, Epoch: run.attempt.Epoch, Waited: &waited})
		if run.Parameters != nil {
			result.rows[id] = run.claimRow(pool)
		}
	}
	return nil
}

func latest(a, b database.Time) time.Time {
	if a.Time().After(b.Time()) {
		return a.Time()
	}
	return b.Time()
}

// renderInput holds the inputs that the attempts of one claim share: template version and stored variables.
type renderInput struct {
	pool         *claimPool
	values       map[string]json.RawMessage
	templateOnly string // stored variables of the template, for runs that refer to none themselves
}

func (tx *Tx) renderInput(
	ctx context.Context, pool *claimPool, runs []*dueRun, settings map[claimSetting]*settingRow,
) (renderInput, error) {
	in := renderInput{pool: pool}
	names := pool.StoredNames.V
	for _, r := range runs {
		if own := storedNames(r, settings[r.setting(pool)]); len(own) > 0 {
			names = union(names, own)
		}
	}
	var err error
	if in.values, err = tx.values(ctx, names); err != nil {
		return in, err
	}
	in.templateOnly, err = in.encoded(pool.StoredNames.V)
	return in, err
}

// storedNames returns the stored variables that a run's values refer to, with those of the values that its
// deployment has frozen since.
func storedNames(run *dueRun, setting *settingRow) []string {
	if !run.outdated() || len(setting.frozen.storedNames) == 0 {
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
	return in.encoded(union(in.pool.StoredNames.V, names))
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
