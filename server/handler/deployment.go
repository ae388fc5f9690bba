package handler

import (
	"context"
	"strconv"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// ListDeployments lists the deployments of a pool, or of all pools that the key is for.
func (h *Handler) ListDeployments(
	ctx context.Context,
	r apiserver.ListDeploymentsRequestObject,
) (apiserver.ListDeploymentsResponseObject, error) {
	pool := wire.Or(r.Params.Pool, "")
	if pool != "" {
		if err := access.From(ctx).CheckPool(pool); err != nil {
			return nil, err
		}
	}
	filter := store.DeploymentFilter{
		Pool: pool, Queue: wire.Or(r.Params.Queue, ""), Tags: wire.Or(r.Params.Tag, nil), Paused: r.Params.Paused, Text: wire.Or(r.Params.Text, ""),
	}
	if who := access.From(ctx); pool == "" && who.Limited() {
		filter.Pools = wire.NonNil(who.Pools)
	}
	deployments, next, err := h.store.FindDeployments(ctx, filter, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return apiserver.ListDeployments200JSONResponse{
		Items:      wire.Each(deployments, wire.Deployment),
		NextCursor: wire.OrNil(next),
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
	r apiserver.GetDeploymentRequestObject,
) (apiserver.GetDeploymentResponseObject, error) {
	deployment, err := h.deployment(ctx, r.Deployment)
	if err != nil {
		return nil, err
	}
	schedules, err := h.store.DeploymentSchedules(ctx, r.Deployment)
	if err != nil {
		return nil, err
	}
	items, err := wire.Schedules(schedules, h.Now())
	if err != nil {
		return nil, err
	}
	shown := wire.Deployment(*deployment)
	shown.Schedules = &items
	return apiserver.GetDeployment200JSONResponse{
		Body: shown, Headers: apiserver.GetDeployment200ResponseHeaders{ETag: deploymentETag(deployment)},
	}, nil
}

// UpdateDeployment pauses or resumes a deployment.
func (h *Handler) UpdateDeployment(
	ctx context.Context,
	r apiserver.UpdateDeploymentRequestObject,
) (apiserver.UpdateDeploymentResponseObject, error) {
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
	return apiserver.UpdateDeployment200JSONResponse{
		Body: wire.Deployment(
			*changed,
		), Headers: apiserver.UpdateDeployment200ResponseHeaders{ETag: deploymentETag(changed)},
	}, nil
}

// DeleteDeployment deletes a deployment and its finished runs.
func (h *Handler) DeleteDeployment(
	ctx context.Context,
	r apiserver.DeleteDeploymentRequestObject,
) (apiserver.DeleteDeploymentResponseObject, error) {
	if _, err := h.deployment(ctx, r.Deployment); err != nil {
		return nil, err
	}
	err := h.store.InTx(ctx, func(tx *store.Tx) error {
		if err := matchDeployment(ctx, tx, r.Deployment, r.Params.IfMatch); err != nil {
			return err
		}
		return tx.DeleteDeployment(ctx, r.Deployment, wire.Or(r.Params.Force, false), actor(ctx))
	})
	if err != nil {
		return nil, err
	}
	return apiserver.DeleteDeployment204Response{}, nil
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
