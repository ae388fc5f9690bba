package handler

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating"
)

// ListDeployments lists the deployments of a pool, or of all pools that the key is for.
func (h *Handler) ListDeployments(
	ctx context.Context, r apiserver.ListDeploymentsRequestObject,
) (apiserver.ListDeploymentsResponseObject, error) {
	p := r.Params
	filter := store.DeploymentFilter{
		Pool:   wire.Or(p.Pool, ""),
		Queue:  wire.Or(p.Queue, ""),
		Tags:   wire.Or(p.Tag, nil),
		Paused: p.Paused, Failing: p.Failing,
		Text: wire.Or(p.Text, ""),
	}
	if filter.Pool == "" {
		filter.Pools = access.From(ctx).PoolsFor("ListDeployments")
	}
	deployments, next, err := h.store.ListDeployments(ctx, filter, page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	return apiserver.ListDeployments200JSONResponse{
		Items:      wire.Each(deployments, wire.ListedDeployment),
		NextCursor: wire.OrNil(next),
	}, nil
}

// GetDeployment returns a deployment with its schedules.
func (h *Handler) GetDeployment(
	ctx context.Context, r apiserver.GetDeploymentRequestObject,
) (apiserver.GetDeploymentResponseObject, error) {
	deployment, err := h.store.GetDeployment(ctx, r.Deployment)
	if err != nil {
		return nil, err
	}
	schedules, err := h.store.ListDeploymentSchedules(ctx, r.Deployment)
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
		Body:    shown,
		Headers: apiserver.GetDeployment200ResponseHeaders{ETag: deploymentETag(deployment)},
	}, nil
}

// UpdateDeployment pauses or resumes a deployment.
func (h *Handler) UpdateDeployment(
	ctx context.Context, r apiserver.UpdateDeploymentRequestObject,
) (apiserver.UpdateDeploymentResponseObject, error) {
	if r.Body.Paused == nil {
		return nil, problem.Newf(problem.InvalidBody, "nothing to change: set paused").
			At("/paused", "required")
	}
	pause, err := wire.PauseChange(r.Body.Paused, r.Body.PauseReason)
	if err != nil {
		return nil, err
	}
	var changed *store.Deployment
	err = h.store.InTx(ctx, func(tx *store.Tx) (err error) {
		if _, err = lockDeployment(ctx, tx, "UpdateDeployment", r.Deployment, r.Params.IfMatch); err == nil {
			changed, err = tx.UpdateDeploymentPaused(ctx, r.Deployment, *pause, actor(ctx))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return apiserver.UpdateDeployment200JSONResponse{
		Body:    wire.Deployment(*changed),
		Headers: apiserver.UpdateDeployment200ResponseHeaders{ETag: deploymentETag(changed)},
	}, nil
}

// DeleteDeployment deletes a deployment and its finished runs.
func (h *Handler) DeleteDeployment(
	ctx context.Context, r apiserver.DeleteDeploymentRequestObject,
) (apiserver.DeleteDeploymentResponseObject, error) {
	gone, err := h.deletes(ctx, func(tx *store.Tx) error {
		d, err := lockDeployment(ctx, tx, "DeleteDeployment", r.Deployment, r.Params.IfMatch)
		if err != nil {
			return err
		}
		options := deleteOptions(r.Params.Force, r.Params.Permanently)
		if err := h.admitDeletion(ctx, tx, d, options); err != nil {
			return err
		}
		return tx.DeleteDeployment(ctx, r.Deployment, options, actor(ctx))
	})
	if err != nil {
		return nil, err
	}
	return apiserver.DeleteDeployment200JSONResponse(gone), nil
}

// mayIn says whether the caller may call an operation in a pool.
func mayIn(ctx context.Context, operation string) func(pool string) error {
	return func(pool string) error { return access.From(ctx).Check(operation, pool) }
}

// deploymentETag changes with every change of the deployment.
func deploymentETag(d *store.Deployment) *string {
	tag := strconv.Quote(strconv.FormatInt(d.UpdatedAt.UnixMicro(), 36))
	return &tag
}

// lockDeployment locks a deployment and checks again that the caller may call the operation in its pool: it may
// have moved since the guard looked. It refuses a deployment with another ETag than If-Match asks for.
func lockDeployment(
	ctx context.Context, tx *store.Tx, operation, name string, ifMatch *string,
) (*store.Deployment, error) {
	d, err := tx.LockDeployment(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := access.From(ctx).CheckObject(operation, d.Pool, "deployment "+strconv.Quote(name)); err != nil {
		return nil, err
	}
	if ifMatch == nil || *ifMatch == "*" {
		return d, nil
	}
	if tag := deploymentETag(d); *ifMatch != *tag {
		return nil, problem.Newf(problem.PreconditionFailed,
			"deployment %q has changed: its ETag is %s, not %s; read it again", name, *tag, *ifMatch)
	}
	return d, nil
}

// GetRunSchema returns the JSON Schema of the values that a run of a deployment can set, for forms and
// editors.
func (h *Handler) GetRunSchema(
	ctx context.Context, r apiserver.GetRunSchemaRequestObject,
) (apiserver.GetRunSchemaResponseObject, error) {
	d, err := h.store.GetDeployment(ctx, r.Deployment)
	if err != nil {
		return nil, err
	}
	version, err := h.store.GetTemplateVersion(ctx, d.Pool, 0)
	if err != nil {
		return nil, err
	}
	compiled, err := h.Templates.Compiled(ctx, version)
	if err != nil {
		return nil, err
	}
	decoded, err := newrun.Decode(d)
	if err != nil {
		return nil, err
	}
	layers, err := decoded.Layers(nil)
	if err != nil {
		return nil, err
	}
	template, err := jsondoc.Members(version.Document)
	if err != nil {
		return nil, err
	}
	variables, err := encodeSchema(compiled.RunSchema(layers), template["variables"], d.JobVariables)
	if err != nil {
		return nil, err
	}
	parameters, err := parametersSchema(decoded, d)
	if err != nil {
		return nil, err
	}
	return apiserver.GetRunSchema200JSONResponse{JobVariables: variables, Parameters: parameters}, nil
}

// parametersSchema is the schema of a deployment's parameters, with the deployment's values as defaults. A
// deployment without a schema accepts any parameters; the result then has only its own.
func parametersSchema(decoded newrun.Deployment, d *store.Deployment) (api.JSONObject, error) {
	schema, err := jsondoc.Object(decoded.ParameterSchema)
	if err != nil {
		return nil, err
	}
	schema = templating.WithValues(schema, decoded.ParameterValues, decoded.HeldParameters())
	return encodeSchema(schema, d.ParameterSchema, d.Parameters)
}

// encodeSchema writes a schema whose defaults are values of a deployment. Numbers keep the digits that they have in the text
// of the schema or of the values.
func encodeSchema(schema map[string]any, text, values json.RawMessage) (api.JSONObject, error) {
	jsondoc.WithDigits(schema, text)
	members, err := jsondoc.Members(values)
	if err != nil {
		return nil, err
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, written := range members {
		property, _ := properties[name].(map[string]any)
		for _, key := range []string{"default", "const"} {
			if v, ok := property[key]; ok {
				property[key] = jsondoc.WithDigits(v, written)
			}
		}
	}
	return jsondoc.Encode(schema)
}
