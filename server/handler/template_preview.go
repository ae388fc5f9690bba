package handler

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/template"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/preview"
)

// PreviewTemplate shows the Job that a run would be. What is wrong with template or values is its answer, not
// its error.
func (h *Handler) PreviewTemplate(
	ctx context.Context,
	r api.PreviewTemplateRequestObject,
) (api.PreviewTemplateResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Pool); err != nil {
		return nil, err
	}
	shown, err := h.preview(ctx, r.Pool, r.Body)
	if err != nil {
		var refusal *problem.Error
		if !errors.As(err, &refusal) || len(refusal.Findings) == 0 || !isAboutValues(refusal.Code) {
			return nil, err
		}
		shown = &api.TemplatePreview{Errors: refusal.Findings}
	}
	shown.Errors, shown.Warnings, shown.Invented = list(
		shown.Errors,
	), list(
		shown.Warnings,
	), object(
		shown.Invented,
	)
	return api.PreviewTemplate200JSONResponse(*shown), nil
}

// isAboutValues reports whether a refusal says what is wrong with a template or with what fills it.
func isAboutValues(code problem.Code) bool {
	switch code {
	case problem.TemplateInvalid, problem.VariablesInvalid, problem.ParametersInvalid, problem.Frozen:
		return true
	}
	return false
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
	d, err := h.previewedDeployment(ctx, pool, value(b.Deployment, ""))
	if err != nil {
		return nil, err
	}
	schema, err := parameterSchema(d.ParameterSchema)
	if err != nil {
		return nil, err
	}
	parameters, err := (&runMaker{deployment: d, schema: schema}).parameters(b.Parameters)
	if err != nil {
		return nil, err
	}
	subject, err := h.subjects(ctx, compiled).of(d, b.JobVariables, parameters)
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
		Code:     codeOf(problem.VariablesInvalid, problems),
		Detail:   problems.Error(),
		Findings: placed(template.Findings(problems)),
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
			return nil, nil, under(err, "/document")
		}
		return checked.Compiled, moved(checked.Warnings, "/document"), nil
	}
	version, err := h.store.GetTemplate(ctx, pool, value(b.Version, 0))
	if err != nil {
		return nil, nil, err
	}
	compiled, err := h.Templates.Of(version)
	return compiled, nil, err
}

// previewedDeployment is the deployment whose values lie below the run's; one without values where none is
// named.
func (h *Handler) previewedDeployment(ctx context.Context, pool, name string) (*store.Deployment, error) {
	if name == "" {
		sample := manifest.SampleIdentity()
		return &store.Deployment{Name: sample.Deployment, Pool: pool, Queue: defaultQueue}, nil
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
	job, err := encode(document)
	if err != nil {
		return nil, err
	}
	text, err := templating.EncodeYAML(document)
	if err != nil {
		return nil, err
	}
	values, err := encode(invented)
	if err != nil {
		return nil, err
	}
	written := string(text)
	return &api.TemplatePreview{
		Job:      job,
		Yaml:     &written,
		Warnings: template.Findings(finished.Warnings),
		Invented: values,
	}, nil
}

// subjects makes what templates are rendered for out of deployments. Stored variables are read once each.
type subjects struct {
	h     *Handler
	store variableReader
	ctx   context.Context
	names []string // stored variables that the templates themselves refer to
	known map[string]any
	asked map[string]bool
}

// variableReader is the store, or a transaction that has changed variables.
type variableReader interface {
	GetVariable(ctx context.Context, name string) (*store.Variable, error)
}

func (h *Handler) subjects(ctx context.Context, templates ...*templating.Compiled) *subjects {
	return subjectsOf(ctx, h, h.store, templates...)
}

func subjectsOf(
	ctx context.Context,
	h *Handler,
	variables variableReader,
	templates ...*templating.Compiled,
) *subjects {
	s := &subjects{h: h, store: variables, ctx: ctx, known: map[string]any{}, asked: map[string]bool{}}
	for _, t := range templates {
		s.names = append(s.names, t.StoredReferences()...)
	}
	return s
}

// of is a run of the deployment that could be: with the run's own job variables and its merged parameters.
func (s *subjects) of(d *store.Deployment, own, parameters json.RawMessage) (preview.Subject, error) {
	layers, err := layersOf(d, own)
	if err != nil {
		return preview.Subject{}, err
	}
	stored, err := s.stored(append(templating.StoredReferences(layers.Deployment, layers.Run), s.names...))
	if err != nil {
		return preview.Subject{}, err
	}
	id := manifest.SampleIdentity()
	id.Installation, id.Pool, id.Queue, id.Deployment, id.Parameters = s.h.Installation, d.Pool, d.Queue, d.Name, parameters
	return preview.Subject{
		Deployment: d.Name, Identity: id,
		Input: templating.Input{Layers: layers, Stored: stored, Context: templating.Context{
			Run: templating.RunContext{
				ID:            id.RunID.String(),
				Name:          id.RunName,
				Attempt:       id.Attempt,
				ScheduledTime: s.h.Now().UTC(),
				Tags:          d.Tags,
				Parameters:    parameters,
			},
			Deployment: templating.DeploymentContext{ID: d.ID.String(), Name: d.Name, Version: d.Version},
			Pool:       templating.NameContext{Name: d.Pool}, Queue: templating.NameContext{Name: d.Queue},
			Worker: templating.NameContext{Name: "sample"},
		}},
	}, nil
}

// stored are the stored variables of these names, as far as there are any: the render says where one is
// missing.
func (s *subjects) stored(names []string) (map[string]any, error) {
	stored := make(map[string]any, len(names))
	for _, name := range names {
		if !s.asked[name] {
			s.asked[name] = true
			variable, err := s.store.GetVariable(s.ctx, name)
			switch {
			case isCode(err, store.NotFound):
				continue
			case err != nil:
				return nil, err
			}
			if s.known[name], err = templating.DecodeJSON(variable.Value); err != nil {
				return nil, err
			}
		}
		if v, ok := s.known[name]; ok {
			stored[name] = v
		}
	}
	return stored, nil
}
