package handler

import (
	"context"

	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
)

// GetRunSchema says what a run of a deployment may be given, for forms and editors.
func (h *Handler) GetRunSchema(
	ctx context.Context,
	r apiserver.GetRunSchemaRequestObject,
) (apiserver.GetRunSchemaResponseObject, error) {
	d, err := h.deployment(ctx, r.Deployment)
	if err != nil {
		return nil, err
	}
	version, err := h.store.GetTemplate(ctx, d.Pool, 0)
	if err != nil {
		return nil, err
	}
	compiled, err := h.Templates.Compiled(version)
	if err != nil {
		return nil, err
	}
	layers, err := newrun.Layers(d, nil)
	if err != nil {
		return nil, err
	}
	variables, err := jsondoc.Encode(compiled.RunSchema(layers))
	if err != nil {
		return nil, err
	}
	parameters, err := parametersSchema(d)
	if err != nil {
		return nil, err
	}
	document, err := jsondoc.Encode(parameters)
	return apiserver.GetRunSchema200JSONResponse{JobVariables: variables, Parameters: document}, err
}

// parametersSchema is the deployment's own schema with its values as the defaults. Without one, anything may
// be given: the schema then only names what is there.
func parametersSchema(d *store.Deployment) (map[string]any, error) {
	schema, err := jsondoc.Object(d.ParameterSchema)
	if err != nil {
		return nil, err
	}
	values, err := jsondoc.Object(d.Parameters)
	if err != nil {
		return nil, err
	}
	frozen := map[string]any{}
	for _, name := range d.FrozenParameters {
		if v, ok := values[name]; ok {
			frozen[name] = v
		}
	}
	return templating.WithValues(schema, values, frozen), nil
}
