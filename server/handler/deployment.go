package handler

import (
	"context"
	"strconv"
	"time"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

// ListDeployments lists the deployments of a pool, or of all pools that the key is for.
func (h *Handler) ListDeployments(
	ctx context.Context,
	r api.ListDeploymentsRequestObject,
) (api.ListDeploymentsResponseObject, error) {
	pool := value(r.Params.Pool, "")
	if pool != "" {
		if err := access.From(ctx).CheckPool(pool); err != nil {
			return nil, err
		}
	}
	filter := store.DeploymentFilter{
		Pool: pool, Queue: value(r.Params.Queue, ""), Tags: value(r.Params.Tag, nil), Paused: r.Params.Paused, Text: value(r.Params.Text, ""),
	}
	if who := access.From(ctx); pool == "" && who.Limited() {
		filter.Pools = list(who.Pools)
	}
	deployments, next, err := h.store.FindDeployments(ctx, filter, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return api.ListDeployments200JSONResponse{
		Items:      each(deployments, wireDeployment),
		NextCursor: optional(next),
	}, nil
}

// deployment returns a deployment that the key may see.
func (h *Handler) deployment(ctx context.Context, name string) (*store.Deployment, error) {
	deployment, err := h.store.GetDeployment(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := access.From(ctx).CheckPoolOf(deployment.Pool, strconv.Quote(name)); err != nil {
		return nil, err
	}
	return deployment, nil
}

// GetDeployment returns a deployment.
func (h *Handler) GetDeployment(
	ctx context.Context,
	r api.GetDeploymentRequestObject,
) (api.GetDeploymentResponseObject, error) {
	deployment, err := h.deployment(ctx, r.Deployment)
	if err != nil {
		return nil, err
	}
	schedules, err := h.store.DeploymentSchedules(ctx, r.Deployment)
	if err != nil {
		return nil, err
	}
	items, err := h.wireSchedules(schedules)
	if err != nil {
		return nil, err
	}
	wire := wireDeployment(*deployment)
	wire.Schedules = &items
	return api.GetDeployment200JSONResponse{
		Body: wire, Headers: api.GetDeployment200ResponseHeaders{ETag: deploymentETag(deployment)},
	}, nil
}

// UpdateDeployment pauses or resumes a deployment.
func (h *Handler) UpdateDeployment(
	ctx context.Context,
	r api.UpdateDeploymentRequestObject,
) (api.UpdateDeploymentResponseObject, error) {
	if _, err := h.deployment(ctx, r.Deployment); err != nil {
		return nil, err
	}
	if r.Body.Paused == nil {
		return nil, problem.Newf(problem.InvalidBody, "there is nothing to change: give paused").
			At("/paused", "is missing")
	}
	var changed *store.Deployment
	err := h.store.InTx(ctx, func(tx *store.Tx) (err error) {
		if err = matchDeployment(ctx, tx, r.Deployment, r.Params.IfMatch); err == nil {
			changed, err = tx.SetDeploymentPaused(ctx, r.Deployment, *r.Body.Paused, actor(ctx))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateDeployment200JSONResponse{
		Body: wireDeployment(
			*changed,
		), Headers: api.UpdateDeployment200ResponseHeaders{ETag: deploymentETag(changed)},
	}, nil
}

// DeleteDeployment deletes a deployment and its finished runs.
func (h *Handler) DeleteDeployment(
	ctx context.Context,
	r api.DeleteDeploymentRequestObject,
) (api.DeleteDeploymentResponseObject, error) {
	if _, err := h.deployment(ctx, r.Deployment); err != nil {
		return nil, err
	}
	err := h.store.InTx(ctx, func(tx *store.Tx) error {
		if err := matchDeployment(ctx, tx, r.Deployment, r.Params.IfMatch); err != nil {
			return err
		}
		return tx.DeleteDeployment(ctx, r.Deployment, value(r.Params.Force, false), actor(ctx))
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteDeployment204Response{}, nil
}

// deploymentETag changes with every change of the deployment.
func deploymentETag(d *store.Deployment) *string {
	tag := strconv.Quote(strconv.FormatInt(d.UpdatedAt.UnixMicro(), 36))
	return &tag
}

// matchDeployment locks a deployment and refuses to go on where it is another one than If-Match says.
func matchDeployment(ctx context.Context, tx *store.Tx, name string, ifMatch *string) error {
	if ifMatch == nil || *ifMatch == "*" {
		return nil
	}
	d, err := tx.HoldDeployment(ctx, name)
	if err != nil {
		return err
	}
	if tag := deploymentETag(d); *ifMatch != *tag {
		return problem.Newf(
			problem.PreconditionFailed,
			"deployment %q has changed: its ETag is %s, not %s",
			name,
			*tag,
			*ifMatch,
		)
	}
	return nil
}

func wireDeployment(d store.Deployment) api.Deployment {
	deployment := api.Deployment{
		ID: d.ID, Name: d.Name, Pool: d.Pool, Queue: d.Queue, Version: d.Version, Description: d.Description, Tags: list(d.Tags),
		JobVariables: object(
			d.JobVariables,
		), Parameters: object(d.Parameters), ParameterSchema: d.ParameterSchema,
		ConcurrencyLimit: d.ConcurrencyLimit, TimeoutSeconds: seconds(d.Timeout), StartDeadlineSeconds: seconds(d.StartDeadline),
		Retries: wireRetries(
			d.Retries,
		), Paused: d.Paused, Project: optional(d.Project), CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
	}
	if len(d.FrozenVariables) > 0 || len(d.FrozenParameters) > 0 {
		variables, parameters := list(d.FrozenVariables), list(d.FrozenParameters)
		deployment.Frozen = &api.FrozenNames{JobVariables: &variables, Parameters: &parameters}
	}
	return deployment
}

func seconds(d *time.Duration) *int64 {
	if d == nil {
		return nil
	}
	whole := int64(*d / time.Second)
	return &whole
}

// duration reads seconds; beyond what a duration can hold it is the longest there is.
func duration(whole *int64) *time.Duration {
	if whole == nil {
		return nil
	}
	const longest = int64(1<<63-1) / int64(time.Second)
	d := time.Duration(min(*whole, longest)) * time.Second
	return &d
}
