package handler

import (
	"context"

	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// ListAPIKeys lists the keys, never their secrets.
func (h *Handler) ListAPIKeys(
	ctx context.Context, _ apiserver.ListAPIKeysRequestObject,
) (apiserver.ListAPIKeysResponseObject, error) {
	keys, err := h.store.ListKeys(ctx)
	if err != nil {
		return nil, err
	}
	return apiserver.ListAPIKeys200JSONResponse{Items: wire.Each(keys, wire.APIKey)}, nil
}

// CreateAPIKey creates a key. Its secret is shown only in this answer.
func (h *Handler) CreateAPIKey(
	ctx context.Context, r apiserver.CreateAPIKeyRequestObject,
) (apiserver.CreateAPIKeyResponseObject, error) {
	now := h.Now().UTC()
	if r.Body.ExpiresAt != nil && !r.Body.ExpiresAt.After(now) {
		return nil, problem.Newf(problem.InvalidBody, "the key would already have expired").
			At("/expires_at", "must be in the future")
	}
	secret, err := apikey.New()
	if err != nil {
		return nil, err
	}
	key := store.Key{
		ID: secret.ID, Name: r.Body.Name, Role: string(r.Body.Role), Pools: wire.Or(r.Body.Pools, nil),
		SecretHash: secret.Hash(), CreatedAt: now, CreatedBy: actor(ctx), ExpiresAt: r.Body.ExpiresAt,
	}
	if err := h.store.CreateKey(ctx, key); err != nil {
		return nil, err
	}
	h.KeysChanged()
	return apiserver.CreateAPIKey201JSONResponse{APIKey: wire.APIKey(key), Secret: secret.Text}, nil
}

// RevokeAPIKey revokes a key.
func (h *Handler) RevokeAPIKey(
	ctx context.Context, r apiserver.RevokeAPIKeyRequestObject,
) (apiserver.RevokeAPIKeyResponseObject, error) {
	if err := h.store.RevokeKey(ctx, r.Key, actor(ctx)); err != nil {
		return nil, err
	}
	h.KeysChanged()
	return apiserver.RevokeAPIKey204Response{}, nil
}
