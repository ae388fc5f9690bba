package handler

import (
	"context"
	"slices"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/dryrun"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/request"
	"github.com/berth-dev/berth/templating"
)

// maxDryRuns is how many questions a worker gets with one claim.
const maxDryRuns = 3

// DryRunTemplate asks the clusters of a pool whether they would take the Job of a run.
func (h *Handler) DryRunTemplate(
	ctx context.Context, r apiserver.DryRunTemplateRequestObject,
) (apiserver.DryRunTemplateResponseObject, error) {
	if err := h.mayDryRun(ctx, r.Pool, r.Body); err != nil {
		return nil, err
	}
	// As a waiting claim, it does not keep other requests out.
	request.Release(ctx)
	answer, err := h.dryRuns.Ask(ctx, dryrun.Request{
		Pool: r.Pool, Body: r.Body, Caller: caller(ctx, r.Pool), Key: actor(ctx),
	})
	if err != nil {
		return nil, err
	}
	h.Logger.Info("dry run on the clusters of a pool", "pool", r.Pool, "actor", actor(ctx), "outcome", answer.Outcome,
		"clusters", len(answer.Clusters))
	return apiserver.DryRunTemplate200JSONResponse(*answer), nil
}

// mayDryRun asks for the role that it takes to make such a run: the worker renders the template with its own
// environment, and asks the cluster with its own permissions.
func (h *Handler) mayDryRun(ctx context.Context, pool string, body *api.TemplateDryRunRequest) error {
	who := access.From(ctx)
	old := false
	if body.Version != nil {
		current, err := h.store.GetPool(ctx, pool)
		if err != nil {
			return err
		}
		old = *body.Version != current.TemplateVersion
	}
	switch {
	case body.Document != nil:
		if err := who.Check("SetTemplate", pool); err != nil {
			return err
		}
		return h.mayReadEnvironment(ctx, pool, body.Document)
	case old:
		return who.Check("SetTemplate", pool)
	case body.Deployment == nil:
		return who.Check("Apply", pool)
	}
	return nil
}

// mayReadEnvironment refuses a template that reads the worker's environment where a template needs the approval of
// another person: what is refused by a cluster is quoted in its answer.
func (h *Handler) mayReadEnvironment(ctx context.Context, pool string, document []byte) error {
	record, err := h.store.GetPool(ctx, pool)
	if err != nil {
		return err
	}
	template, err := templating.Parse(document)
	if err != nil || len(template.TemplateEnv) == 0 || !slices.Contains(record.Approvals.Require, string(api.ApprovalTemplates)) {
		return nil // what is wrong with the template is said by its preview
	}
	return problem.Newf(problem.Forbidden, "templates of work pool %q need the approval of another person, and this one reads "+
		"the environment of the worker (template_env): save it first", pool)
}

// AnswerDryRun stores what a cluster said.
func (h *Handler) AnswerDryRun(
	ctx context.Context, r apiserver.AnswerDryRunRequestObject,
) (apiserver.AnswerDryRunResponseObject, error) {
	b := r.Body
	if err := checkWorker(b.Pool, b.Worker); err != nil {
		return nil, err
	}
	if err := dryrun.Clean(b); err != nil {
		return nil, err
	}
	encoded, err := jsondoc.Encode(b)
	if err != nil {
		return nil, err
	}
	if err := dryrun.CheckSize(encoded); err != nil {
		return nil, err
	}
	stored, err := h.store.AnswerDryRun(ctx, b.ID, b.Pool, b.Worker, encoded)
	if err != nil {
		return nil, err
	}
	if !stored {
		h.Logger.Debug("dry run answered too late", "pool", b.Pool, "worker", b.Worker, "id", b.ID)
	}
	return apiserver.AnswerDryRun204Response{}, nil
}
