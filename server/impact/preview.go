package impact

import (
	"context"
	"errors"
	"strings"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/rulebook"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/preview"
	"github.com/berth-dev/berth/templating/rule"
)

// Preview returns the Job that a run would have. What is wrong with the template or the values is part of the
// answer and no error.
func (a *Analyzer) Preview(
	ctx context.Context, pool string, r *api.TemplatePreviewRequest, caller rule.Caller,
) (*api.TemplatePreview, error) {
	seen, err := a.Previewed(ctx, pool, r, caller)
	if err != nil {
		return nil, err
	}
	return seen.Shown, nil
}

// Previewed is the Job that a run would have, with what it was made of.
type Previewed struct {
	Shown *api.TemplatePreview
	// What follows is not there where the preview has errors.

	Version    *store.TemplateVersion // nil for a document
	Deployment *store.Deployment      // of a sample where the request names none
	Subject    preview.Subject
	Samples    map[string]any
}

// Previewed previews as Preview does.
func (a *Analyzer) Previewed(
	ctx context.Context, pool string, r *api.TemplatePreviewRequest, caller rule.Caller,
) (*Previewed, error) {
	template, err := a.previewedTemplate(ctx, pool, r)
	var seen *Previewed
	if err == nil {
		seen, err = a.preview(ctx, pool, r, template, caller)
	}
	if seen, err = orFindings(seen, err); err != nil {
		return nil, err
	}
	seen.Shown.Warnings = wire.NonNil(append(template.warnings, seen.Shown.Warnings...))
	return seen, nil
}

// orFindings turns what is wrong with the template or the values into a preview without a Job.
func orFindings(seen *Previewed, err error) (*Previewed, error) {
	if err != nil {
		found, err := aboutValues(err)
		if err != nil {
			return nil, err
		}
		seen = &Previewed{Shown: &api.TemplatePreview{Errors: found}}
	}
	shown := seen.Shown
	shown.Errors, shown.Warnings = wire.NonNil(shown.Errors), wire.NonNil(shown.Warnings)
	shown.Invented = jsondoc.OrEmpty(shown.Invented)
	return seen, nil
}

// aboutValues returns the findings of a refusal of a template or of its values; any other error is returned as it is.
func aboutValues(err error) ([]api.Finding, error) {
	var refusal *problem.Error
	if !errors.As(err, &refusal) || len(refusal.Findings) == 0 || !finding.AboutValues(refusal.Code) {
		return nil, err
	}
	return refusal.Findings, nil
}

func (a *Analyzer) preview(
	ctx context.Context, pool string, r *api.TemplatePreviewRequest, template previewedTemplate,
	caller rule.Caller,
) (*Previewed, error) {
	compiled := template.compiled
	d, err := a.previewedDeployment(ctx, pool, wire.Or(r.Deployment, ""))
	if err != nil {
		return nil, err
	}

	sampler := a.sampler(compiled)
	decoded, err := newrun.Decode(d)
	if err != nil {
		return nil, err
	}
	maker, err := newrun.NewMaker(decoded, compiled, sampler.variables)
	if err != nil {
		return nil, err
	}
	parameters, err := maker.Parameters(r.Parameters)
	var wrong []api.Finding // about the parameters; the job variables are looked at all the same
	if err != nil {
		if wrong, err = aboutValues(err); err != nil {
			return nil, err
		}
		parameters = jsondoc.OrEmpty(d.Parameters)
	}
	run, err := sampler.run(ctx, decoded, r.JobVariables, parameters)
	if err != nil {
		return nil, err
	}
	run.Identity.TemplateVersion = int(template.number)
	finished, samples, err := preview.Job(ctx, compiled, run)
	if err != nil {
		found, err := aboutValues(refusePreview(err))
		wrong = append(wrong, found...)
		if err != nil {
			return nil, err
		}
	}
	if len(wrong) > 0 {
		return &Previewed{Shown: &api.TemplatePreview{Errors: wrong}}, nil
	}

	shown, err := wirePreview(finished, samples)
	if err != nil {
		return nil, err
	}
	denials, warned, err := a.checkRules(ctx, finished, samples, rulebook.AboutDeployment(run, d, caller))
	if err != nil {
		return nil, err
	}
	shown.Errors = denials
	shown.Warnings = append(shown.Warnings, warned...)
	return &Previewed{
		Shown: shown, Version: template.version, Deployment: d, Subject: run, Samples: samples,
	}, nil
}

// previewedTemplate is the template of a preview.
type previewedTemplate struct {
	version  *store.TemplateVersion // nil for a document
	number   int32                  // of the version; of a document, the one that it would be saved as
	compiled *templating.Compiled
	warnings []api.Finding
}

// previewedTemplate returns the template in the request, the named version, or the newest one.
func (a *Analyzer) previewedTemplate(
	ctx context.Context, pool string, r *api.TemplatePreviewRequest,
) (found previewedTemplate, err error) {
	if r.Document == nil {
		found.version, err = a.store.GetTemplateVersion(ctx, pool, wire.Or(r.Version, 0))
		if err != nil {
			return found, err
		}
		found.number = found.version.Version
		found.compiled, err = a.templates.Compiled(ctx, found.version)
		if err != nil {
			return found, err
		}
		found.warnings, err = a.templates.Reaches(ctx, found.version)
		return found, err
	}

	if r.Version != nil {
		return found, problem.Newf(problem.InvalidBody, "set document or version, not both").
			At("/version", "contradicts document")
	}
	current, err := a.store.GetPool(ctx, pool)
	if err != nil {
		return found, err
	}
	checked, err := a.templates.Check(r.Document)
	if err != nil {
		return found, finding.ErrorUnder(err, "/document")
	}
	return previewedTemplate{
		number: current.TemplateVersion + 1, compiled: checked.Compiled,
		warnings: finding.Under(checked.Warnings, "/document"),
	}, nil
}

// previewedDeployment returns the deployment whose values are below those of the run. Without a name it is a
// sample without values.
func (a *Analyzer) previewedDeployment(ctx context.Context, pool, name string) (*store.Deployment, error) {
	if name == "" {
		sample := manifest.SampleIdentity()
		return &store.Deployment{Name: sample.Deployment, Pool: pool, Queue: wire.DefaultQueue}, nil
	}
	d, err := a.store.GetDeployment(ctx, name)
	if err != nil {
		return nil, err
	}
	if d.Pool != pool {
		return nil, problem.Newf(problem.InvalidBody, "deployment %q belongs to work pool %q", name, d.Pool).
			At("/deployment", "belongs to work pool %q, not %q", d.Pool, pool)
	}
	return d, nil
}

// refusePreview turns what is wrong with a Job into a refusal, be it in the template or in the values.
func refusePreview(err error) error {
	var problems templating.Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		return err
	}
	return &problem.Error{
		Code:     finding.CodeOf(problem.VariablesInvalid, problems),
		Detail:   problems.Error(),
		Findings: inDocument(finding.FromProblems(problems)),
	}
}

// inDocument moves findings about job variables below /job_variables. Findings about the template have
// pointers from its root already.
func inDocument(findings []api.Finding) []api.Finding {
	for i, f := range findings {
		if !strings.HasPrefix(f.Pointer, templating.ConfigurationPointer) &&
			!strings.HasPrefix(f.Pointer, "/variables/") {
			findings[i].Pointer = "/job_variables" + f.Pointer
		}
	}
	return findings
}

func wirePreview(finished *manifest.Finished, samples map[string]any) (*api.TemplatePreview, error) {
	document, err := preview.Document(finished)
	if err != nil {
		return nil, err
	}
	job, err := jsondoc.Encode(document)
	if err != nil {
		return nil, err
	}
	text, err := templating.EncodeYAML(document)
	if err != nil {
		return nil, err
	}
	invented, err := jsondoc.Encode(samples)
	if err != nil {
		return nil, err
	}
	yaml := string(text)
	return &api.TemplatePreview{
		Job:      job,
		Yaml:     &yaml,
		Warnings: inDocument(finding.FromProblems(append(finished.Warnings, finished.Risks()...))),
		Invented: invented,
	}, nil
}
