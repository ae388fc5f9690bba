package handler

import (
	"context"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
)

// GetHealth says that the process is alive, whatever the database does.
func (h *Handler) GetHealth(
	context.Context,
	apiserver.GetHealthRequestObject,
) (apiserver.GetHealthResponseObject, error) {
	return apiserver.GetHealth200TextResponse("ok\n"), nil
}

// GetReady says whether requests can be served.
func (h *Handler) GetReady(
	ctx context.Context, _ apiserver.GetReadyRequestObject,
) (apiserver.GetReadyResponseObject, error) {
	select {
	case <-h.Stopping:
		return apiserver.GetReady503TextResponse("stopping\n"), nil
	default:
	}
	if err := h.store.Ready(ctx); err != nil {
		h.Logger.Warn("not ready", "error", err)
		return apiserver.GetReady503TextResponse("the database is not ready\n"), nil
	}
	return apiserver.GetReady200TextResponse("ready\n"), nil
}

// GetInfo says what is talked to, and who asks.
func (h *Handler) GetInfo(
	ctx context.Context, _ apiserver.GetInfoRequestObject,
) (apiserver.GetInfoResponseObject, error) {
	who := access.From(ctx)
	info := api.Info{
		Version:        h.Version,
		InstallationID: h.Installation,
		Authenticated:  h.Authenticated,
		Role:           who.Role,
	}
	if who.Authenticated {
		info.KeyName = &who.Name
	}
	return apiserver.GetInfo200JSONResponse(info), nil
}
