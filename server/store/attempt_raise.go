package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// Raiser computes the value of a job variable in the next attempt. It returns false if the variable cannot be
// raised: it is frozen, at its maximum, or not a quantity. It must be pure, because it runs inside a
// transaction.
type Raiser func(RaiseRequest) (RaisedValue, bool)

// RaiseRequest holds the render input of an attempt that ran out of memory.
type RaiseRequest struct {
	Policy              lifecycle.OOMPolicy
	Template            json.RawMessage
	DeploymentVariables json.RawMessage
	Frozen              json.RawMessage // what the deployment froze at the claim, by the keys of package freeze; nil: none
	RunVariables        json.RawMessage
	Raised              json.RawMessage // overrides RunVariables; nil: none
	Stored              json.RawMessage
}

// RaisedValue is a job variable's value in an attempt and the one for the next.
type RaisedValue struct{ From, To json.RawMessage }

// memoryRaise is the raised memory of the next attempt, in the form for users and in the form of ready.raised.
type memoryRaise struct {
	shown  lifecycle.MemoryRaise
	stored string
}

// raiseSQL is served by primary keys; asked for attempts that ran out of memory under a policy only.
const raiseSQL = `
SELECT
	t.document AS template, v.job_variables AS deployment_variables, c.job_variables AS current_variables,
	c.frozen_variables, r.job_variables AS run_variables, a.raised, a.stored
FROM live a
JOIN runs r ON r.id = a.run_id
JOIN deployment_revisions v ON v.id = a.revision_id
JOIN deployment_revisions c ON c.id = a.frozen_revision_id
JOIN template_versions t ON t.id = a.template_version_id
WHERE a.attempt_id = ?`

// findRaise computes the raised memory of the next attempt, if the report says that this one ran out of
// memory.
func (b *reportBatch) findRaise(ctx context.Context, tx *Tx, run *lockedRun, r Report) error {
	a, policy := run.attempt, run.policy().OOM
	a.raise = nil
	if r.Kind != ReportEnded || r.Outcome.Category != lifecycle.OOM || policy == nil ||
		run.Spent.V.OOM >= policy.Max ||
		tx.s.raise == nil {
		return nil
	}
	value, err := tx.raised(ctx, a.AttemptID, *policy)
	if err != nil || value == nil {
		return err
	}
	stored, err := json.Marshal(map[string]json.RawMessage{policy.Variable: value.To})
	if err != nil {
		return fmt.Errorf("keep the raised value of %q: %w", policy.Variable, err)
	}
	a.raise = &memoryRaise{
		shown: lifecycle.MemoryRaise{
			Variable: policy.Variable,
			From:     unquoted(value.From),
			To:       unquoted(value.To),
		}, stored: string(stored),
	}
	return nil
}

func (tx *Tx) raised(
	ctx context.Context, attempt uuid.UUID, policy lifecycle.OOMPolicy,
) (*RaisedValue, error) {
	var row struct {
		Template            database.JSON    `db:"template"`
		DeploymentVariables database.JSON    `db:"deployment_variables"`
		CurrentVariables    database.JSON    `db:"current_variables"`
		FrozenVariables     database.Strings `db:"frozen_variables"`
		RunVariables        database.JSON    `db:"run_variables"`
		Raised              database.JSON    `db:"raised"`
		Stored              database.JSON    `db:"stored"`
	}
	if err := tx.db.Get(ctx, &row, raiseSQL, attempt); err != nil {
		return nil, fmt.Errorf("read what attempt %s was rendered from: %w", attempt, err)
	}
	values, err := frozenVariables(row.CurrentVariables, row.FrozenVariables.V)
	if err != nil {
		return nil, err
	}
	frozen, err := frozenObject(values)
	if err != nil {
		return nil, err
	}
	value, ok := tx.s.raise(RaiseRequest{
		Policy: policy, Template: row.Template.Raw(), DeploymentVariables: row.DeploymentVariables.Raw(), Frozen: frozen,
		RunVariables: row.RunVariables.Raw(), Raised: row.Raised.Raw(), Stored: row.Stored.Raw(),
	})
	if !ok {
		return nil, nil
	}
	return &value, nil
}

// unquoted is a value without the quotes of a string.
func unquoted(v json.RawMessage) string {
	var text string
	if json.Unmarshal(v, &text) == nil {
		return text
	}
	return string(bytes.TrimSpace(v))
}
