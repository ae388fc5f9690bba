package newrun

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/rulebook"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/manifest/reference"
	"github.com/berth-dev/berth/templating/preview"
	"github.com/berth-dev/berth/templating/rule"
)

// Enforcement is what a Maker holds the Jobs of its runs to, and for whom.
type Enforcement struct {
	Rules rulebook.Rules
	// References are what job variables may refer to; nil where that is judged elsewhere, as in previews.
	References   *References
	Caller       rule.Caller
	Installation uuid.UUID
	Protected    reference.Protected
	Now          func() time.Time
}

// Enforce makes the Maker hold its runs to rules and references.
func (m *Maker) Enforce(e Enforcement) { m.enforcement = e }

// runFacts are what is known of a run before it has a Job.
type runFacts struct {
	id         uuid.UUID
	name       string
	attempt    int
	tags       []string // the deployment's too
	scheduled  *time.Time
	parameters json.RawMessage
}

// judged is what rules said of a Job that they let pass.
type judged struct {
	warnings []api.Finding
	findings []store.RuleFinding
}

// judge refuses a run whose Job may not be: because its variables bring in a reference that the pool does not
// allow, or because a rule denies it. It makes the Job with the code of the worker.
//
// What only a worker knows, such as its namespace, decides nothing here: the worker evaluates the same rules
// before it creates the Job. So it does where no Job can be made without a worker, for example because the
// template reads the worker's environment.
func (m *Maker) judge(ctx context.Context, facts runFacts, checked checkedVariables) (judged, error) {
	e := m.enforcement
	alone := len(checked.layers.Run) == 0
	if e.Rules.None() && (e.References == nil || alone && m.judgedAlone) {
		return judged{}, nil
	}
	subject := m.deployment.Subject(SubjectOf{
		Installation: e.Installation, Protected: e.Protected, References: e.References, Now: e.Now(),
		Layers: checked.layers, Stored: checked.stored, Parameters: facts.parameters,
		ID: facts.id, Name: facts.name, Attempt: facts.attempt, Tags: facts.tags, Scheduled: facts.scheduled,
	})
	finished, err := m.job(ctx, subject)
	if ctx.Err() != nil {
		return judged{}, context.Cause(ctx)
	}
	if refused := Refused(err); len(refused) > 0 {
		return judged{}, finding.Refuse(problem.VariablesInvalid, "/job_variables", refused)
	}
	m.judgedAlone = m.judgedAlone || alone
	return m.judgeRules(ctx, finished, subject)
}

// job makes the Job of a run whose values have been checked; nil where it cannot be made here.
func (m *Maker) job(ctx context.Context, s preview.Subject) (*manifest.Finished, error) {
	rendered, err := m.compiled.Render(ctx, s.Input)
	if err != nil {
		return nil, nil //nolint:nilerr // it depends on the worker, or the worker says what is wrong
	}
	return manifest.Build(rendered, s.Identity)
}

func (m *Maker) judgeRules(
	ctx context.Context, finished *manifest.Finished, subject preview.Subject,
) (judged, error) {
	e := m.enforcement
	if e.Rules.None() {
		return judged{}, nil
	}
	outcome, err := e.Rules.Evaluate(ctx, finished, rulebook.About{
		Subject: subject, Version: m.deployment.Version, Retries: m.deployment.Retries.Max,
		Timeout: m.deployment.Timeout, Caller: e.Caller,
	})
	if err != nil {
		return judged{}, err
	}
	if err := e.Rules.Refuse(outcome); err != nil {
		return judged{}, err
	}
	result := judged{
		warnings: rulebook.Findings(outcome.Warnings), findings: rulebook.Kept(outcome.Warnings),
	}
	if finished == nil && len(outcome.Undecided) > 0 {
		code := string(problem.RuleDenied)
		result.warnings = append(result.warnings, api.Finding{Code: &code, Message: "the rules of the work pool " +
			"are checked by its worker only: the Job cannot be made here"})
	}
	return result, nil
}

// runTags are the tags of a run that has own ones.
func (d Deployment) runTags(own []string) []string {
	tags := slices.Clone(d.Tags)
	for _, tag := range own {
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return tags
}
