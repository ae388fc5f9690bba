package handler

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// ListAPIKeys lists the keys, never their secrets.
func (h *Handler) ListAPIKeys(
	ctx context.Context, r apiserver.ListAPIKeysRequestObject,
) (apiserver.ListAPIKeysResponseObject, error) {
	filter := store.KeyFilter{Owner: wire.Or(r.Params.Owner, ""), Rule: wire.Or(r.Params.TrustRule, "")}
	if !wire.Or(r.Params.Ended, false) {
		filter.LiveAt = h.Now()
	}
	keys, err := h.store.ListKeys(ctx, filter)
	if err != nil {
		return nil, err
	}
	return apiserver.ListAPIKeys200JSONResponse{
		Items: wire.Each(shownKeys(access.From(ctx), keys), wire.APIKey),
	}, nil
}

// shownKeys returns the keys that have a role in a pool of which the caller is admin, with the bindings that
// count there: the bindings for all pools do, and those for other pools are hidden.
func shownKeys(who access.Principal, keys []store.Key) []store.Key {
	shown := []store.Key{}
	for _, key := range keys {
		key.Bindings = slices.DeleteFunc(slices.Clone(key.Bindings), func(b store.Binding) bool {
			return b.Pool != store.AllPools && !who.MayDo("ListAPIKeys", b.Pool)
		})
		if len(key.Bindings) > 0 {
			shown = append(shown, key)
		}
	}
	return shown
}

// checkKey refuses to revoke a key that has a role in a pool of which the caller is not admin. A key that has
// no role in the caller's pools is hidden.
func checkKey(who access.Principal, asked string, key store.Key) error {
	if len(shownKeys(who, []store.Key{key})) == 0 {
		return who.Missing("API key " + strconv.Quote(asked))
	}
	for _, b := range key.Bindings {
		if !who.MayDo("RevokeAPIKey", b.Pool) {
			return problem.Newf(problem.Forbidden,
				"%s may not revoke API key %q: it has a role in work pools of which you are not admin", who, asked)
		}
	}
	return nil
}

// CreateAPIKey creates a key. Its secret is shown only in this answer.
func (h *Handler) CreateAPIKey(
	ctx context.Context, r apiserver.CreateAPIKeyRequestObject,
) (apiserver.CreateAPIKeyResponseObject, error) {
	now := h.Now().UTC()
	if err := checkKeyName(r.Body.Name); err != nil {
		return nil, err
	}
	if r.Body.ExpiresAt != nil && !r.Body.ExpiresAt.After(now) {
		return nil, problem.Newf(problem.InvalidBody, "the key would already have expired").
			At("/expires_at", "must be in the future")
	}
	secret, err := apikey.New()
	if err != nil {
		return nil, err
	}
	key := store.Key{
		ID: secret.ID, Name: r.Body.Name, Bindings: wire.Each(r.Body.Bindings, wire.ReadBinding),
		SecretHash: secret.Hash(), CreatedAt: now, CreatedBy: actor(ctx), ExpiresAt: r.Body.ExpiresAt,
	}
	if !wire.Or(r.Body.ServiceAccount, false) {
		key.Owner = access.From(ctx).KeyOwner()
	}
	if err := h.store.CreateKey(ctx, key); err != nil {
		return nil, err
	}
	h.KeysChanged()
	return apiserver.CreateAPIKey201JSONResponse{APIKey: wire.APIKey(key), Secret: secret.Text}, nil
}

// keyID is the form of the ID of a key.
var keyID = regexp.MustCompile("^[0-9a-f]{8}$")

// checkKeyName refuses names that a reader of the audit would take for another user's.
func checkKeyName(name string) error {
	lower := strings.ToLower(name)
	reserved := []string{"anonymous", "bootstrap", "schedule", "server", "sign-in provider", "system"}
	likes := ""
	switch {
	case strings.Contains(name, "@"):
		likes = "the address of a person"
	case strings.HasPrefix(lower, "user "):
		likes = "a person without a verified address"
	case strings.HasPrefix(lower, store.ScheduleActor):
		likes = "a schedule"
	case strings.HasPrefix(lower, "job of run "):
		likes = "the job of a run"
	case keyID.MatchString(name):
		likes = "the ID of a key"
	case slices.Contains(reserved, lower):
		likes = "a part of the server"
	default:
		return nil
	}
	return problem.Newf(problem.InvalidBody, "the name of the key looks like %s; choose another", likes).
		At("/name", "looks like %s", likes)
}

// RevokeAPIKeys revokes all keys of an owner.
func (h *Handler) RevokeAPIKeys(
	ctx context.Context, r apiserver.RevokeAPIKeysRequestObject,
) (apiserver.RevokeAPIKeysResponseObject, error) {
	revoked, err := h.store.RevokeKeysOf(ctx, r.Body.Owner, actor(ctx))
	if err != nil {
		return nil, err
	}
	if revoked == 0 {
		return nil, problem.Newf(problem.NotFound, "%q owns no valid API key", r.Body.Owner)
	}
	h.KeysChanged()
	return apiserver.RevokeAPIKeys200JSONResponse{Revoked: int32(revoked)}, nil
}

// RevokeAPIKey revokes a key.
func (h *Handler) RevokeAPIKey(
	ctx context.Context, r apiserver.RevokeAPIKeyRequestObject,
) (apiserver.RevokeAPIKeyResponseObject, error) {
	who := access.From(ctx)
	err := h.store.InTx(ctx, func(tx *store.Tx) error {
		keys, err := tx.RevokeKey(ctx, r.Key, who.Name)
		if store.IsCode(err, store.NotFound) && who.IsLimited() {
			return who.Missing("API key " + strconv.Quote(r.Key))
		}
		for _, key := range keys {
			if err := checkKey(who, r.Key, key); err != nil {
				return err
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	h.KeysChanged()
	return apiserver.RevokeAPIKey204Response{}, nil
}
