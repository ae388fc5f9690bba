package handler

import (
	"context"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
)

// GetHealth answers as long as the process is alive, whatever the state of the database.
func (h *Handler) GetHealth(
	context.Context,
	apiserver.GetHealthRequestObject,
) (apiserver.GetHealthResponseObject, error) {
	return apiserver.GetHealth200TextResponse("ok\n"), nil
}

// GetReady returns whether the server can serve requests.
func (h *Handler) GetReady(
	ctx context.Context, _ apiserver.GetReadyRequestObject,
) (apiserver.GetReadyResponseObject, error) {
	select {
	case <-h.Stopping:
		return apiserver.GetReady503TextResponse("stopping\n"), nil
	default:
	}
	if err := h.store.Ready(ctx); err != nil {
		h.Logger.Warn("server is not ready", "error", err)
		return apiserver.GetReady503TextResponse("the database is not ready\n"), nil
	}
	return apiserver.GetReady200TextResponse("ready\n"), nil
}

// GetInfo returns what this server is, and the identity of the caller.
func (h *Handler) GetInfo(
	ctx context.Context, _ apiserver.GetInfoRequestObject,
) (apiserver.GetInfoResponseObject, error) {
	who := access.From(ctx)
	info := api.Info{
		Version:        h.Version,
		InstallationID: h.Installation,
		Authenticated:  h.Authenticated,
		Role:           who.HighestRole(),
	}
	if who.Authenticated {
		info.KeyName = &who.Name
	}
	return apiserver.GetInfo200JSONResponse(info), nil
}
