package handler

import (
	"context"

	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// ListVariables lists the stored variables.
func (h *Handler) ListVariables(
	ctx context.Context, r apiserver.ListVariablesRequestObject,
) (apiserver.ListVariablesResponseObject, error) {
	variables, next, err := h.store.ListVariables(ctx, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return apiserver.ListVariables200JSONResponse{
		Items:      wire.Each(variables, wire.Variable),
		NextCursor: wire.OrNil(next),
	}, nil
}

// GetVariable returns a stored variable.
func (h *Handler) GetVariable(
	ctx context.Context, r apiserver.GetVariableRequestObject,
) (apiserver.GetVariableResponseObject, error) {
	variable, err := h.store.GetVariable(ctx, r.Variable)
	if err != nil {
		return nil, err
	}
	return apiserver.GetVariable200JSONResponse(wire.Variable(*variable)), nil
}

// SetVariable creates or changes a stored variable.
func (h *Handler) SetVariable(
	ctx context.Context, r apiserver.SetVariableRequestObject,
) (apiserver.SetVariableResponseObject, error) {
	if err := newrun.CheckVariable(r.Body.Value, "/value"); err != nil {
		return nil, err
	}
	variable, err := h.store.UpsertVariable(ctx, r.Variable, r.Body.Value, actor(ctx))
	if err != nil {
		return nil, err
	}
	return apiserver.SetVariable200JSONResponse(wire.Variable(*variable)), nil
}

// DeleteVariable deletes a stored variable.
func (h *Handler) DeleteVariable(
	ctx context.Context, r apiserver.DeleteVariableRequestObject,
) (apiserver.DeleteVariableResponseObject, error) {
	gone, err := h.deletes(ctx, func(tx *store.Tx) error {
		return tx.DeleteVariable(ctx, r.Variable, deleteOptions(r.Params.Force, r.Params.Permanently), actor(ctx))
	})
	if err != nil {
		return nil, err
	}
	return apiserver.DeleteVariable200JSONResponse(gone), nil
}
