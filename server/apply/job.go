package apply

import (
	"context"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/rulebook"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/preview"
)

// checkJob finds what would refuse the Job of a run of a deployment that sets no values: that it is not valid, rules, and
// references that its job variables bring in and the pool does not allow. What runs may still give is a warning.
func (p *planner) checkJob(
	ctx context.Context, findings *finding.List, d newrun.Deployment, compiled *templating.Compiled,
) error {
	rules, err := p.rulesOf(ctx, d.Pool)
	if err != nil {
		return p.collectRules(findings, err)
	}
	subject, err := p.sampleRun(ctx, d, compiled)
	if err != nil {
		return err
	}
	finished, samples, err := preview.Job(ctx, compiled, subject)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if refused := newrun.Refused(err); len(refused) > 0 {
		p.refuseReferences(findings, refused, samples)
		return nil
	}
	if err != nil {
		finished = nil
		if !compiled.ReadsWorker() { // else the worker may have what is missing
			p.refuseJob(findings, newrun.JobFindings(compiled, templating.AsProblems(err)), d, samples)
		}
	} else {
		p.warnOfJob(newrun.JobFindings(compiled, append(finished.Risks(), finished.Warnings...)), d)
	}
	outcome, err := rules.Evaluate(ctx, finished, rulebook.AboutDeployment(subject, d.Deployment,
		rulebook.CallerOf(p.By, d.Pool)))
	if err != nil {
		return err
	}
	denials, warnings := rulebook.Sampled(outcome, samples)
	findings.Add(problem.RuleDenied, "", denials)
	p.warnings = append(p.warnings, finding.Under(warnings, p.place)...)
	return nil
}

// sampleRun is a run of a deployment that sets no values.
func (p *planner) sampleRun(
	ctx context.Context, d newrun.Deployment, compiled *templating.Compiled,
) (preview.Subject, error) {
	layers, err := d.Layers(nil)
	if err != nil {
		return preview.Subject{}, err
	}
	stored, err := newrun.NewStoredVariables(p.tx).Read(ctx,
		templating.StoredReferences(layers.Deployment, layers.Run, layers.DeploymentFrozen), compiled.StoredReferences())
	if err != nil {
		return preview.Subject{}, err
	}
	references, err := p.referencesOf(ctx, d.Pool)
	if err != nil {
		return preview.Subject{}, err
	}
	return d.Subject(newrun.SubjectOf{
		Installation: p.installation, Protected: p.templates.Protected(), References: references, Now: p.now,
		Layers: layers, Stored: stored, Parameters: jsondoc.OrEmpty(d.Parameters),
	}), nil
}

// refuseJob tells what is wrong with the Job of a deployment. A value of the deployment that no Job can have is refused.
// What is wrong without a value, the runs may give: that is a warning, and the deployment counts as broken, because its
// runs are refused until they do. Nothing is said of invented values.
func (p *planner) refuseJob(
	findings *finding.List, wrong []newrun.JobFinding, d newrun.Deployment, samples map[string]any,
) {
	broken := false
	for _, f := range wrong {
		switch {
		case wire.Or(f.Code, "") != templating.CodeStored && newrun.Gives(d.VariableValues, f.Variable):
			findings.Add(problem.VariablesInvalid, "", []api.Finding{f.Finding})
		case len(samples) == 0:
			broken = true
			p.warnings = append(p.warnings, finding.Under([]api.Finding{f.Finding}, p.place)...)
		}
	}
	if broken {
		p.broken = append(p.broken, d.Name)
	}
}

// warnOfJob passes on the warnings about a Job that come from values of the deployment. The others are about the template,
// and were said when it was saved.
func (p *planner) warnOfJob(warned []newrun.JobFinding, d newrun.Deployment) {
	for _, f := range warned {
		if wire.Or(f.Code, "") != templating.CodeUnknown && newrun.Gives(d.VariableValues, f.Variable) {
			p.warnings = append(p.warnings, finding.Under([]api.Finding{f.Finding}, p.place)...)
		}
	}
}

func (p *planner) refuseReferences(
	findings *finding.List, refused templating.Problems, samples map[string]any,
) {
	if len(samples) == 0 {
		findings.AddProblems(problem.VariablesInvalid, "/job_variables", refused)
		return
	}
	for i := range refused {
		refused[i].Message += rulebook.Invented(samples)
	}
	p.warn("/job_variables", refused)
}

// referencesOf is what the Jobs of a pool may refer to once this file is applied.
func (p *planner) referencesOf(ctx context.Context, pool string) (*newrun.References, error) {
	if known, ok := p.references[pool]; ok {
		return known, nil
	}
	references, err := newrun.ReadReferences(ctx, p.tx, pool)
	if err == nil {
		p.references[pool] = references
	}
	return references, err
}
