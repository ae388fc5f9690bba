package newrun

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/rulebook"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating/manifest/reference"
	"github.com/berth-dev/berth/templating/preview"
	"github.com/berth-dev/berth/templating/rule"
)

// Enforcement is which rules a Maker holds its runs to, and for whom.
type Enforcement struct {
	Rules        rulebook.Rules
	Caller       rule.Caller
	Installation uuid.UUID
	Protected    reference.Protected
	Now          func() time.Time
}

// Enforce makes the Maker hold its runs to rules.
func (m *Maker) Enforce(e Enforcement) { m.enforcement = e }

// checkRules refuses a run whose Job a rule denies, and returns the warnings of other rules.
//
// Where the Job cannot be made without a worker, for example because its template reads a worker's environment,
// the run is let through with a warning: the worker evaluates the same rules before it creates the Job.
func (m *Maker) checkRules(
	ctx context.Context, spec api.RunCreate, parameters json.RawMessage, checked checkedVariables,
) ([]api.Finding, error) {
	e := m.enforcement
	if e.Rules.None() {
		return nil, nil
	}
	subject := m.deployment.Subject(SubjectOf{
		Installation: e.Installation, Protected: e.Protected, Now: e.Now(), Layers: checked.layers, Stored: checked.stored,
		Parameters: parameters, Name: wire.Or(spec.Name, ""), Tags: wire.Or(spec.Tags, nil),
		Scheduled: spec.ScheduledTime,
	})
	finished, _, err := preview.Job(ctx, m.compiled, subject)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		code := string(problem.RuleDenied)
		return []api.Finding{{Code: &code, Message: "the rules of the work pool are checked by its worker only: " +
			"the Job cannot be made here"}}, nil
	}
	outcome, err := e.Rules.Evaluate(ctx, finished, rulebook.About{
		Subject: subject, Version: m.deployment.Version, Retries: m.deployment.Retries.Max,
		Timeout: m.deployment.Timeout, Caller: e.Caller,
	})
	if err != nil {
		return nil, err
	}
	return rulebook.Findings(outcome.Warnings), e.Rules.Refuse(outcome)
}
