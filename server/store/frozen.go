package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
	"github.com/berth-dev/berth/templating/freeze"
)

// What a deployment freezes holds as of now, not as of when a run was created: an attempt takes the frozen
// values of the deployment's revision at its claim, whichever revision its run was created from. So a value
// that was frozen later cannot be walked around by a run that waits, or by a retry. A run that set such a
// value itself is refused instead of run with another value than it was asked for. An attempt keeps the
// values that it was claimed with.

// frozenValues is what a revision of a deployment freezes.
type frozenValues struct {
	object      json.RawMessage // the job variables by their keys; nil: none
	variables   []freeze.Value
	parameters  []freeze.Value
	storedNames []string       // stored variables that the frozen job variables refer to
	was         map[string]any // the parameters of the run's revision
}

func (s *settingRow) readFrozen() (f frozenValues, err error) {
	if f.variables, err = frozenVariables(s.CurrentVariables, s.FrozenVariables.V); err != nil {
		return f, err
	}
	if f.object, err = frozenObject(f.variables); err != nil {
		return f, err
	}
	f.storedNames = freeze.StoredNames(f.variables)

	// The parameters of a run are merged and checked when it is created, so that only what a later revision
	// freezes is of interest.
	if len(s.FrozenParameters.V) == 0 || s.RevisionID == s.FrozenRevisionID {
		return f, nil
	}
	current, err := decodeObject(s.CurrentParameters)
	if err != nil {
		return f, fmt.Errorf("read a deployment's parameters: %w", err)
	}
	f.parameters, _ = freeze.Parameters(current, s.FrozenParameters.V) // names without a value freeze nothing
	if f.was, err = decodeObject(s.Parameters); err != nil {
		err = fmt.Errorf("read a deployment's parameters: %w", err)
	}
	return f, err
}

func frozenVariables(variables database.JSON, names []string) ([]freeze.Value, error) {
	if len(names) == 0 {
		return nil, nil
	}
	values, err := decodeObject(variables)
	if err != nil {
		return nil, fmt.Errorf("read a deployment's job variables: %w", err)
	}
	frozen, _ := freeze.Variables(values, names) // names without a value freeze nothing
	return frozen, nil
}

// frozenObject is frozen job variables by their keys; nil for none.
func frozenObject(frozen []freeze.Value) (json.RawMessage, error) {
	if len(frozen) == 0 {
		return nil, nil
	}
	return encodeObject(freeze.Object(frozen))
}

// decodeObject decodes an object and keeps its numbers as they are written.
func decodeObject(document database.JSON) (map[string]any, error) {
	v, err := freeze.Decode(document.Raw())
	if err != nil {
		return nil, err
	}
	object, _ := v.(map[string]any)
	return object, nil
}

func encodeObject(object map[string]any) (json.RawMessage, error) {
	document, err := freeze.Encode(object)
	return bytes.TrimSpace(document), err
}

// heldParameters returns the parameters of an attempt: those of its run, with what is frozen now.
func (s *settingRow) heldParameters(own database.JSON) (json.RawMessage, error) {
	if len(s.frozen.parameters) == 0 {
		return own.Raw(), nil
	}
	values, err := decodeObject(own)
	if err != nil {
		return nil, fmt.Errorf("read a run's parameters: %w", err)
	}
	adapted := freeze.Adapt(values, s.frozen.was, s.frozen.parameters)
	if len(adapted.Changed) == 0 {
		return own.Raw(), nil
	}
	return encodeObject(adapted.Values)
}

// outdated reports whether the run's deployment has another revision now than the run was created from.
func (r *dueRun) outdated() bool { return r.FrozenRevisionID != r.RevisionID }

// holdFrozen holds due runs to what their deployments freeze now, and returns the runs that it lets start.
// The others end as failed. It writes into the history of a run what it changes.
func (tx *Tx) holdFrozen(
	ctx context.Context, due []*dueRun, settings map[claimSetting]*settingRow, pool *claimPool,
) ([]*dueRun, error) {
	var old []*dueRun
	for _, run := range due {
		if run.outdated() {
			old = append(old, run)
		}
	}
	if len(old) == 0 {
		return due, nil
	}
	if err := tx.readDocuments(ctx, old); err != nil {
		return nil, err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	held := make([]*dueRun, 0, len(due))
	for _, run := range due {
		if run.outdated() {
			refused, err := tx.holdRun(run, settings[run.setting(pool)], now)
			if err != nil {
				return nil, err
			}
			if refused {
				continue
			}
		}
		held = append(held, run)
	}
	return held, nil
}

// holdRun holds one run to what is frozen now. It returns true if the run was refused.
func (tx *Tx) holdRun(run *dueRun, s *settingRow, now time.Time) (bool, error) {
	variables, err := s.adaptVariables(run)
	if err != nil {
		return false, err
	}
	own, err := decodeObject(run.Parameters)
	if err != nil {
		return false, fmt.Errorf("read the parameters of run %s: %w", run.ID, err)
	}
	parameters := freeze.Adapt(own, s.frozen.was, s.frozen.parameters)

	if refused := frozenNames(variables.Refused, parameters.Refused); refused != "" {
		run.Category = lifecycle.Template
		run.move(lifecycle.State{Type: lifecycle.Failed, Name: "Failed", Message: fmt.Sprintf(
			"%s of this run: deployment %q has frozen another value since; create a new run without it",
			refused, s.Deployment)}, now, "server", 0)
		tx.db.HintTurns(PoolTopic(run.Pool), 1) // the worker may claim another run instead
		return true, nil
	}
	if run.Raised != nil && raisesFrozen(*run.Raised, s.frozen.variables) {
		run.Raised = nil // the frozen value holds, also against what retries have raised
	}
	if changed := frozenNames(variables.Changed, parameters.Changed); changed != "" {
		run.note(fmt.Sprintf("attempt %d takes what deployment %q freezes now: %s", run.Attempt+1, s.Deployment,
			changed), now, "server", run.Attempt+1)
	}
	return false, nil
}

// adaptVariables holds the job variables of a run to what is frozen now. Those of the run itself are a level
// by themselves: what is there is the run's own, whatever its deployment had.
func (s *settingRow) adaptVariables(run *dueRun) (freeze.Adapted, error) {
	if len(s.frozen.variables) == 0 {
		return freeze.Adapted{}, nil
	}
	own, err := decodeObject(run.JobVariables)
	if err != nil {
		return freeze.Adapted{}, fmt.Errorf("read the job variables of run %s: %w", run.ID, err)
	}
	was, err := decodeObject(s.DeploymentVariables)
	if err != nil {
		return freeze.Adapted{}, fmt.Errorf("read a deployment's job variables: %w", err)
	}
	return freeze.AdaptVariables(own, was, s.frozen.variables), nil
}

// raisesFrozen reports whether retries have raised a job variable that is frozen now.
func raisesFrozen(raised string, frozen []freeze.Value) bool {
	var values map[string]json.RawMessage
	if json.Unmarshal([]byte(raised), &values) != nil {
		return false // the claim reports it
	}
	return slices.ContainsFunc(frozen, func(f freeze.Value) bool { _, is := values[f.Path[0]]; return is })
}

// frozenNames names frozen values, without the values: they may be secret.
func frozenNames(variables, parameters []freeze.Value) string {
	var parts []string
	for _, kind := range []struct {
		one    string
		values []freeze.Value
	}{{"job variable", variables}, {"parameter", parameters}} {
		for _, f := range kind.values {
			parts = append(parts, fmt.Sprintf("%s %q", kind.one, f.Name()))
		}
	}
	return strings.Join(parts, ", ")
}
