package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store"
)

// Claims are the contents of a run token.
type Claims struct {
	Issuer    string          `json:"iss"`
	Subject   string          `json:"sub"`
	Audience  string          `json:"aud"`
	Expiry    jwt.NumericDate `json:"exp"`
	NotBefore jwt.NumericDate `json:"nbf"`
	IssuedAt  jwt.NumericDate `json:"iat"`
	ID        string          `json:"jti"`

	Pool            string    `json:"pool"`
	TemplateVersion int32     `json:"template_version"`
	Deployment      string    `json:"deployment"`
	Run             uuid.UUID `json:"run"`
	Attempt         int32     `json:"attempt"`
}

// claimNames are the claims of every token, for the discovery document.
func claimNames() []string {
	return []string{
		"iss", "sub", "aud", "exp", "nbf", "iat", "jti",
		"pool", "template_version", "deployment", "run", "attempt",
	}
}

// Request asks for a token.
type Request struct {
	Run, Attempt uuid.UUID // of the job key
	Audience     string
	Lifetime     time.Duration // 0 means DefaultLifetime
}

// Issue signs a token for an active attempt. Errors are those of the store: run-finished or conflict if the
// attempt is not active, audience-not-granted if the pool does not grant the audience.
func (i *Issuer) Issue(ctx context.Context, r Request) (token string, expires time.Time, err error) {
	// The key first: a token that was recorded should also exist.
	key, err := i.signer(ctx)
	if err != nil {
		return "", time.Time{}, err
	}
	identity, err := i.store.CreateRunToken(ctx, r.Run, r.Attempt, r.Audience)
	if err != nil {
		return "", time.Time{}, err
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return "", time.Time{}, fmt.Errorf("generate an ID: %w", err)
	}
	now := i.Now().UTC().Truncate(time.Second)
	expires = expiry(now, r.Lifetime, identity.TimeoutAt)
	token, err = key.sign(Claims{
		Issuer: i.URL, Subject: Subject(identity.Pool, identity.Deployment), Audience: r.Audience,
		Expiry: *jwt.NewNumericDate(expires), NotBefore: *jwt.NewNumericDate(now),
		IssuedAt: *jwt.NewNumericDate(now), ID: id.String(),
		Pool: identity.Pool, TemplateVersion: identity.TemplateVersion, Deployment: identity.Deployment,
		Run: identity.Run, Attempt: identity.Attempt,
	})
	return token, expires, err
}

// expiry is the end of a token's life: never later than the time limit of its run, except that a token lives
// long enough to be used.
func expiry(now time.Time, lifetime time.Duration, timeout *time.Time) time.Time {
	if lifetime == 0 {
		lifetime = DefaultLifetime
	}
	expires := now.Add(min(lifetime, MaxLifetime))
	if timeout != nil && timeout.Before(expires) {
		expires = timeout.UTC().Truncate(time.Second)
	}
	if soonest := now.Add(minLifetime); expires.Before(soonest) {
		return soonest
	}
	return expires
}

// Subject is the sub of the tokens of a deployment's runs. Names may contain colons, which are escaped, so
// that no two pairs of names have the same subject.
func Subject(pool, deployment string) string {
	escape := strings.NewReplacer("%", "%25", ":", "%3A")
	return "pool:" + escape.Replace(pool) + ":deployment:" + escape.Replace(deployment)
}

func (s signer) sign(c Claims) (string, error) {
	options := (&jose.SignerOptions{}).WithType("JWT")
	key := jose.SigningKey{Algorithm: Algorithm, Key: jose.JSONWebKey{Key: s.private, KeyID: s.id}}
	signer, err := jose.NewSigner(key, options)
	if err != nil {
		return "", fmt.Errorf("sign a run token: %w", err)
	}
	token, err := jwt.Signed(signer).Claims(c).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign a run token: %w", err)
	}
	return token, nil
}

// errInactive says that a token is not valid; callers learn nothing more.
var errInactive = errors.New("the token is not valid")

// Introspect returns the claims of a token that is valid and whose attempt is active; nil for any other.
// visible says whether the caller may see a pool.
func (i *Issuer) Introspect(ctx context.Context, token string, visible func(pool string) bool) (*Claims, error) {
	keys, err := i.readKeys(ctx)
	if err != nil {
		return nil, err
	}
	claims, err := i.verify(token, keys)
	if err != nil || !visible(claims.Pool) {
		return nil, nil //nolint:nilerr // an invalid token is an answer, not a failure
	}
	identity, err := i.store.GetRunIdentity(ctx, claims.Run, claims.Attempt)
	if store.IsCode(err, store.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !identity.Active || identity.Pool != claims.Pool ||
		!slices.Contains(identity.Audiences, claims.Audience) {
		return nil, nil
	}
	return claims, nil
}

// verify checks signature, issuer and times of a token of this issuer. The key is found by its ID among our
// own keys; whatever else the header names is ignored.
func (i *Issuer) verify(token string, keys []store.SigningKey) (*Claims, error) {
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{Algorithm})
	if err != nil || len(parsed.Signatures) != 1 {
		return nil, errInactive
	}
	at := slices.IndexFunc(keys, func(k store.SigningKey) bool {
		return k.ID == parsed.Signatures[0].Header.KeyID
	})
	if at < 0 {
		return nil, errInactive
	}
	var public jose.JSONWebKey
	if err := json.Unmarshal(keys[at].PublicKey, &public); err != nil {
		return nil, errInactive
	}
	payload, err := parsed.Verify(public.Key)
	if err != nil {
		return nil, errInactive
	}
	var c Claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, errInactive
	}
	now := i.Now()
	if c.Issuer != i.URL || !now.Before(c.Expiry.Time()) || now.Add(keepAfter).Before(c.NotBefore.Time()) {
		return nil, errInactive
	}
	return &c, nil
}
