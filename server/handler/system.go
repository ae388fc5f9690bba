package handler

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
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
		return apiserver.GetReady503TextResponse(notReady(err) + "\n"), nil
	}
	return apiserver.GetReady200TextResponse("ready\n"), nil
}

// notReady returns the message of an error of the store. Anyone may read it, and its cause is only logged.
func notReady(err error) string {
	var known *store.Error
	if errors.As(err, &known) {
		return known.Message
	}
	return "the database is not ready"
}

// GetInfo returns what this server is.
func (h *Handler) GetInfo(
	ctx context.Context, _ apiserver.GetInfoRequestObject,
) (apiserver.GetInfoResponseObject, error) {
	return apiserver.GetInfo200JSONResponse{
		Version:        h.Version,
		InstallationID: h.Installation,
		Authenticated:  h.Authenticated,
	}, nil
}

// GetWhoAmI returns who the caller is and what it may do.
func (h *Handler) GetWhoAmI(
	ctx context.Context, _ apiserver.GetWhoAmIRequestObject,
) (apiserver.GetWhoAmIResponseObject, error) {
	who := access.From(ctx)
	answer := apiserver.GetWhoAmI200JSONResponse{
		Name:       who.Name,
		Kind:       who.Kind,
		KeyID:      wire.OrNil(who.KeyID),
		Bindings:   []api.Binding{},
		CreatedBy:  wire.OrNil(who.CreatedBy),
		ExpiresAt:  who.ExpiresAt,
		Owner:      wire.OrNil(who.Owner.Name),
		Operations: map[string][]string{},
	}
	if who.Run != uuid.Nil {
		answer.RunID = &who.Run
	}
	if who.Token != nil {
		answer.Token = wire.TokenIdentity(*who.Token)
	}
	for _, b := range who.Bindings {
		if b.Role != access.RoleJob {
			answer.Bindings = append(answer.Bindings, api.Binding{Role: b.Role, Pool: b.Pool})
		}
	}
	for _, o := range access.Operations() {
		if o.Role == access.Everyone {
			continue
		}
		pools := who.PoolsFor(o.ID)
		if pools == nil {
			pools = []string{access.AllPools}
		}
		if len(pools) > 0 {
			answer.Operations[o.ID] = pools
		}
	}
	return answer, nil
}
