package handler

import (
	"context"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/apply"
	"github.com/berth-dev/berth/server/request"
)

// Apply brings pools, variables and deployments to what a file declares, or says what that would change.
func (h *Handler) Apply(
	ctx context.Context,
	r apiserver.ApplyRequestObject,
) (apiserver.ApplyResponseObject, error) {
	result, err := h.applier.Apply(ctx, apply.Request{
		File: r.Body, Document: request.Document(ctx), By: access.From(ctx),
	})
	if err != nil {
		return nil, err
	}
	h.KeysChanged() // the keys of an earlier pool do not count in a new one of its name
	return apiserver.Apply200JSONResponse(*result), nil
}
