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
	"github.com/berth-dev/berth/templating"
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
	timezone   string
	parameters json.RawMessage
}

// judged is what rules said of a Job that they let pass.
type judged struct {
	warnings []api.Finding
	findings []store.RuleFinding
}

// judge refuses a run whose Job may not be: because it is not valid, because its variables bring in a reference that
// the pool does not allow, or because a rule denies it. It makes the Job with the code of the worker.
//
// What only a worker knows, such as its namespace, decides nothing here: the worker evaluates the same rules
// before it creates the Job. So it does where no Job can be made without a worker, for example because the
// template reads the worker's environment.
func (m *Maker) judge(ctx context.Context, facts runFacts, checked checkedVariables) (judged, error) {
	e := m.enforcement
	alone := len(checked.layers.Run) == 0
	if alone && m.judgedAlone && e.Rules.None() {
		return judged{}, nil
	}
	subject := m.deployment.Subject(SubjectOf{
		Installation: e.Installation, Protected: e.Protected, References: e.References, Now: e.Now(),
		Layers: checked.layers, Stored: checked.stored, Parameters: facts.parameters,
		ID: facts.id, Name: facts.name, Attempt: facts.attempt, Tags: facts.tags, Scheduled: facts.scheduled,
		Timezone: facts.timezone,
	})
	finished, err := m.job(ctx, subject)
	if ctx.Err() != nil {
		return judged{}, context.Cause(ctx)
	}
	if refused := Refused(err); len(refused) > 0 {
		return judged{}, finding.Refuse(problem.VariablesInvalid, "/job_variables", refused)
	}
	if err != nil && !m.compiled.ReadsWorker() { // else the worker may have what is missing
		return judged{}, m.refuseJob(err)
	}
	m.judgedAlone = m.judgedAlone || alone && !m.readsRun
	result, err := m.judgeRules(ctx, finished, subject)
	if err == nil && finished != nil {
		result.warnings = append(m.givenWarnings(finished, checked.layers), result.warnings...)
	}
	return result, err
}

// job makes the Job of a run whose values have been checked.
func (m *Maker) job(ctx context.Context, s preview.Subject) (*manifest.Finished, error) {
	rendered, err := m.compiled.Render(ctx, s.Input)
	if err != nil {
		return nil, err
	}
	return manifest.Build(rendered, s.Identity)
}

// refuseJob refuses a run whose Job no worker could create.
func (m *Maker) refuseJob(err error) error {
	refusal := problem.Newf(problem.VariablesInvalid, "")
	for _, f := range JobFindings(m.compiled, templating.AsProblems(err)) {
		refusal.Findings = append(refusal.Findings, f.Finding)
	}
	refusal.Detail = refusal.Findings[0].Message
	return refusal
}

// givenWarnings are the warnings about a Job that come from values of the run. The others are about the template or the
// deployment, and were said when it was saved.
func (m *Maker) givenWarnings(finished *manifest.Finished, layers templating.Layers) []api.Finding {
	var warnings []api.Finding
	if len(layers.Run) == 0 {
		return nil
	}
	for _, f := range JobFindings(m.compiled, append(finished.Risks(), finished.Warnings...)) {
		if Gives(layers.Run, f.Variable) {
			warnings = append(warnings, f.Finding)
		}
	}
	return warnings
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
