package handler

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/issuer"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/wire"
)

// issuerOr404 returns the issuer of run tokens, or the reason why there is none.
func (h *Handler) issuerOr404() (*issuer.Issuer, error) {
	if h.Issuer == nil {
		return nil, problem.Newf(problem.NotFound, "run tokens are off: %s", h.IssuerOff)
	}
	return h.Issuer, nil
}

// GetOpenIDConfiguration returns the discovery document of the issuer of run tokens.
func (h *Handler) GetOpenIDConfiguration(
	context.Context, apiserver.GetOpenIDConfigurationRequestObject,
) (apiserver.GetOpenIDConfigurationResponseObject, error) {
	signer, err := h.issuerOr404()
	if err != nil {
		return nil, err
	}
	d := signer.Discovery()
	return apiserver.GetOpenIDConfiguration200JSONResponse{
		Issuer: d.Issuer, JwksURI: d.KeysURL, ResponseTypesSupported: d.ResponseTypes,
		SubjectTypesSupported: d.SubjectTypes, IDTokenSigningAlgValuesSupported: d.Algorithms,
		ClaimsSupported: d.Claims,
	}, nil
}

// GetJSONWebKeys returns the public keys that verify run tokens.
func (h *Handler) GetJSONWebKeys(
	ctx context.Context, _ apiserver.GetJSONWebKeysRequestObject,
) (apiserver.GetJSONWebKeysResponseObject, error) {
	signer, err := h.issuerOr404()
	if err != nil {
		return nil, err
	}
	keys, err := signer.Keys(ctx)
	if err != nil {
		return nil, err
	}
	return apiserver.GetJSONWebKeys200JSONResponse{Keys: keys}, nil
}

// CreateRunToken signs a token for the job that asks.
func (h *Handler) CreateRunToken(
	ctx context.Context, r apiserver.CreateRunTokenRequestObject,
) (apiserver.CreateRunTokenResponseObject, error) {
	signer, err := h.issuerOr404()
	if err != nil {
		return nil, err
	}
	lifetime := time.Duration(wire.Or(r.Body.LifetimeSeconds, 0)) * time.Second
	token, expires, err := signer.Issue(ctx, issuer.Request{
		Run: r.Run, Attempt: access.From(ctx).Attempt, Audience: r.Body.Audience, Lifetime: lifetime,
	})
	if errors.Is(err, issuer.ErrNoKey) {
		return nil, &problem.Error{
			Code: problem.Unavailable, Detail: "no signing key is ready; try again in a minute", Err: err,
			RetryAfter: time.Minute,
		}
	}
	if err != nil {
		return nil, err
	}
	return apiserver.CreateRunToken201JSONResponse{Token: token, ExpiresAt: expires}, nil
}

// IntrospectRunToken tells whether a token is valid and its attempt active.
func (h *Handler) IntrospectRunToken(
	ctx context.Context, r apiserver.IntrospectRunTokenRequestObject,
) (apiserver.IntrospectRunTokenResponseObject, error) {
	signer, err := h.issuerOr404()
	if err != nil {
		return nil, err
	}
	who := access.From(ctx)
	claims, err := signer.Introspect(ctx, r.Body.Token, func(pool string) bool {
		return who.MayDo("IntrospectRunToken", pool)
	})
	if err != nil {
		return nil, err
	}
	return apiserver.IntrospectRunToken200JSONResponse(runTokenIntrospection(claims)), nil
}

// ListSigningKeys lists the keys that sign run tokens, never their private parts.
func (h *Handler) ListSigningKeys(
	ctx context.Context, _ apiserver.ListSigningKeysRequestObject,
) (apiserver.ListSigningKeysResponseObject, error) {
	signer, err := h.issuerOr404()
	if err != nil {
		return nil, err
	}
	keys, err := signer.ListKeys(ctx)
	if err != nil {
		return nil, err
	}
	return apiserver.ListSigningKeys200JSONResponse{Items: wire.Each(keys, signingKey)}, nil
}

// RotateSigningKeys makes a new key sign at once.
func (h *Handler) RotateSigningKeys(
	ctx context.Context, r apiserver.RotateSigningKeysRequestObject,
) (apiserver.RotateSigningKeysResponseObject, error) {
	signer, err := h.issuerOr404()
	if err != nil {
		return nil, err
	}
	keys, err := signer.RotateNow(ctx, wire.Or(r.Body.Revoke, false), actor(ctx))
	if err != nil {
		return nil, err
	}
	return apiserver.RotateSigningKeys200JSONResponse{Items: wire.Each(keys, signingKey)}, nil
}

// unique returns the list in order and without repetitions; nil stays nil.
func unique(list []string) []string {
	sorted := slices.Clone(list)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

func uniqueOrNil(list *api.RunTokenAudiences) *[]string {
	if list == nil {
		return nil
	}
	sorted := unique(*list)
	return &sorted
}

// runTokenIntrospection converts the claims of an active token; nil for one that is not.
func runTokenIntrospection(c *issuer.Claims) api.RunTokenIntrospection {
	if c == nil {
		return api.RunTokenIntrospection{}
	}
	expiry, issued := int64(c.Expiry), int64(c.IssuedAt)
	return api.RunTokenIntrospection{
		Active: true, Iss: &c.Issuer, Sub: &c.Subject, Aud: &c.Audience, Exp: &expiry, Iat: &issued, Jti: &c.ID,
		Pool: &c.Pool, TemplateVersion: &c.TemplateVersion, Deployment: &c.Deployment, Run: &c.Run,
		Attempt: &c.Attempt,
	}
}

// signingKey converts a signing key.
func signingKey(k issuer.Key) api.SigningKey {
	return api.SigningKey{
		ID: k.ID, Algorithm: k.Algorithm, State: api.SigningKeyState(k.State), CreatedAt: k.CreatedAt,
		SignsFrom: k.SignsFrom, RemovedAt: k.RemovedAt,
	}
}
