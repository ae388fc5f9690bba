package handler

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/preview"
	"github.com/google/uuid"
)

// PreviewTemplate shows the Job that a run would be. What is wrong with template or values is its answer, not
// its error.
func (h *Handler) PreviewTemplate(
	ctx context.Context,
	r apiserver.PreviewTemplateRequestObject,
) (apiserver.PreviewTemplateResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Pool); err != nil {
		return nil, err
	}
	shown, err := h.preview(ctx, r.Pool, r.Body)
	if err != nil {
		var refusal *problem.Error
		if !errors.As(err, &refusal) || len(refusal.Findings) == 0 || !finding.AboutValues(refusal.Code) {
			return nil, err
		}
		shown = &api.TemplatePreview{Errors: refusal.Findings}
	}
	shown.Errors, shown.Warnings, shown.Invented = wire.NonNil(
		shown.Errors,
	), wire.NonNil(
		shown.Warnings,
	), jsondoc.OrEmpty(
		shown.Invented,
	)
	return apiserver.PreviewTemplate200JSONResponse(*shown), nil
}

func (h *Handler) preview(
	ctx context.Context,
	pool string,
	b *api.TemplatePreviewRequest,
) (*api.TemplatePreview, error) {
	compiled, warnings, err := h.previewed(ctx, pool, b)
	if err != nil {
		return nil, err
	}
	d, err := h.previewedDeployment(ctx, pool, wire.Or(b.Deployment, ""))
	if err != nil {
		return nil, err
	}
	subjects := h.subjects(compiled)
	maker, err := newrun.NewMaker(d, compiled, subjects.variables)
	if err != nil {
		return nil, err
	}
	parameters, err := maker.Parameters(b.Parameters)
	if err != nil {
		return nil, err
	}
	subject, err := subjects.of(ctx, d, b.JobVariables, parameters)
	if err != nil {
		return nil, err
	}
	finished, invented, err := preview.Job(ctx, compiled, subject)
	if err != nil {
		return nil, previewRefusal(err)
	}
	shown, err := wirePreview(finished, invented)
	if err == nil {
		shown.Warnings = append(warnings, shown.Warnings...)
	}
	return shown, err
}

// previewRefusal is what is wrong with a Job, be it the template's or the values' part.
func previewRefusal(err error) error {
	var problems templating.Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		return err
	}
	return &problem.Error{
		Code:     finding.CodeOf(problem.VariablesInvalid, problems),
		Detail:   problems.Error(),
		Findings: placed(finding.FromProblems(problems)),
	}
}

// placed tells places in the template, which are named from its root, from places in the values.
func placed(findings []api.Finding) []api.Finding {
	for i, f := range findings {
		if !strings.HasPrefix(f.Pointer, templating.ConfigurationPointer) &&
			!strings.HasPrefix(f.Pointer, "/variables/") {
			findings[i].Pointer = "/job_variables" + f.Pointer
		}
	}
	return findings
}

// previewed is the template that is looked at: the one given, a version or the newest.
func (h *Handler) previewed(
	ctx context.Context,
	pool string,
	b *api.TemplatePreviewRequest,
) (*templating.Compiled, []api.Finding, error) {
	if b.Document != nil {
		if b.Version != nil {
			return nil, nil, problem.Newf(problem.InvalidBody, "give a document or a version, not both").
				At("/version", "contradicts document")
		}
		if _, err := h.store.GetPool(ctx, pool); err != nil {
			return nil, nil, err
		}
		checked, err := h.Templates.Check(b.Document)
		if err != nil {
			return nil, nil, finding.ErrorUnder(err, "/document")
		}
		return checked.Compiled, finding.Under(checked.Warnings, "/document"), nil
	}
	version, err := h.store.GetTemplate(ctx, pool, wire.Or(b.Version, 0))
	if err != nil {
		return nil, nil, err
	}
	compiled, err := h.Templates.Compiled(version)
	return compiled, nil, err
}

// previewedDeployment is the deployment whose values lie below the run's; one without values where none is
// named.
func (h *Handler) previewedDeployment(ctx context.Context, pool, name string) (*store.Deployment, error) {
	if name == "" {
		sample := manifest.SampleIdentity()
		return &store.Deployment{Name: sample.Deployment, Pool: pool, Queue: wire.DefaultQueue}, nil
	}
	d, err := h.deployment(ctx, name)
	if err != nil {
		return nil, err
	}
	if d.Pool != pool {
		return nil, problem.Newf(problem.InvalidBody, "deployment %q is of work pool %q", name, d.Pool).
			At("/deployment", "is of work pool %q, not %q", d.Pool, pool)
	}
	return d, nil
}

func wirePreview(finished *manifest.Finished, invented map[string]any) (*api.TemplatePreview, error) {
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
	values, err := jsondoc.Encode(invented)
	if err != nil {
		return nil, err
	}
	written := string(text)
	return &api.TemplatePreview{
		Job:      job,
		Yaml:     &written,
		Warnings: finding.FromProblems(finished.Warnings),
		Invented: values,
	}, nil
}

// subjects makes the sample runs that templates are rendered for, from deployments.
type subjects struct {
	installation uuid.UUID
	now          time.Time
	variables    *newrun.StoredVariables
	names        []string // of the stored variables that the templates refer to
}

func (h *Handler) subjects(templates ...*templating.Compiled) *subjects {
	s := &subjects{
		installation: h.Installation, now: h.Now().UTC(), variables: newrun.NewStoredVariables(h.store),
	}
	for _, t := range templates {
		s.names = append(s.names, t.StoredReferences()...)
	}
	return s
}

// of is a possible run of a deployment, with the run's own job variables and its merged parameters.
func (s *subjects) of(
	ctx context.Context, d *store.Deployment, own, parameters json.RawMessage,
) (preview.Subject, error) {
	layers, err := newrun.Layers(d, own)
	if err != nil {
		return preview.Subject{}, err
	}
	stored, err := s.variables.Read(ctx, templating.StoredReferences(layers.Deployment, layers.Run), s.names)
	if err != nil {
		return preview.Subject{}, err
	}
	id := manifest.SampleIdentity()
	id.Installation, id.Pool, id.Queue, id.Deployment, id.Parameters =
		s.installation, d.Pool, d.Queue, d.Name, parameters
	return preview.Subject{
		Deployment: d.Name,
		Identity:   id,
		Input: templating.Input{Layers: layers, Stored: stored, Context: templating.Context{
			Run: templating.RunContext{
				ID:            id.RunID.String(),
				Name:          id.RunName,
				Attempt:       id.Attempt,
				ScheduledTime: s.now,
				Tags:          d.Tags,
				Parameters:    parameters,
			},
			Deployment: templating.DeploymentContext{ID: d.ID.String(), Name: d.Name, Version: d.Version},
			Pool:       templating.NameContext{Name: d.Pool},
			Queue:      templating.NameContext{Name: d.Queue},
			Worker:     templating.NameContext{Name: "sample"},
		}},
	}, nil
}
