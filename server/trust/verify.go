package trust

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/berth-dev/berth/server/openid"
)

const (
	// maxTokenLife bounds the time between issue and expiry: a token that lives longer is a stored secret again.
	maxTokenLife = 24 * time.Hour
	subjectMax   = 500
)

// InvalidError says why a token is not valid. It never contains the token.
type InvalidError struct{ Reason string }

func (e *InvalidError) Error() string { return e.Reason }

func invalid(format string, args ...any) error {
	return &InvalidError{fmt.Sprintf(format, args...)}
}

// identity is what a verified token says.
type identity struct {
	issuer, subject, id string
	audience            []string
	expires             time.Time
	claims              claimSet
}

// parse reads a token without believing it, and returns the issuer that it claims to be from.
func parse(token string) (*jose.JSONWebSignature, string, error) {
	var algorithms []jose.SignatureAlgorithm
	for _, name := range openid.Algorithms() {
		algorithms = append(algorithms, jose.SignatureAlgorithm(name))
	}
	parsed, err := jose.ParseSignedCompact(token, algorithms)
	var algorithm *jose.ErrUnexpectedSignatureAlgorithm
	switch {
	case errors.As(err, &algorithm):
		return nil, "", invalid("its algorithm is not one of the accepted public key algorithms")
	case err != nil || len(parsed.Signatures) != 1:
		return nil, "", invalid("it is not a signed JSON Web Token")
	}
	var claimed struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(parsed.UnsafePayloadWithoutVerification(), &claimed) != nil || claimed.Issuer == "" {
		return nil, "", invalid("it names no issuer")
	}
	return parsed, claimed.Issuer, nil
}

// signatures verifies signatures with the keys of an issuer. It implements oidc.KeySet.
type signatures struct {
	source keySource
	parsed *jose.JSONWebSignature
}

var errSignature = errors.New("its signature is not valid, or of a key that its issuer does not publish")

func (s signatures) VerifySignature(ctx context.Context, _ string) ([]byte, error) {
	header := s.parsed.Signatures[0].Header
	keys, err := s.source.find(ctx, header.KeyID)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue // a key is for its algorithm only
		}
		// Only the key itself: what the header of the token says about keys is not used.
		if payload, err := s.parsed.Verify(key.Key); err == nil {
			return payload, nil
		}
	}
	return nil, errSignature
}

// verify checks signature, issuer and times of a token. The audience is up to the rule.
func verify(
	ctx context.Context, source keySource, parsed *jose.JSONWebSignature, token, issuer string, now time.Time,
) (identity, error) {
	keys := &remembering{next: signatures{source, parsed}}
	verified, err := oidc.NewVerifier(issuer, keys, &oidc.Config{
		SupportedSigningAlgs: openid.Algorithms(), SkipClientIDCheck: true,
		// The library compares exactly. A clock that lags as far as clocks may differ makes room.
		Now: func() time.Time { return now.Add(-openid.ClockSkew) },
	}).Verify(ctx, token)
	var expired *oidc.TokenExpiredError
	switch {
	case keys.err != nil:
		return identity{}, keys.err
	case errors.As(err, &expired):
		return identity{}, invalid("it has expired at %s; get a new one, and compare the clocks",
			expired.Expiry.UTC().Format(time.RFC3339))
	case err != nil:
		return identity{}, invalid("it is of another issuer or not valid yet")
	}
	var claims struct {
		ID       string          `json:"jti"`
		IssuedAt json.RawMessage `json:"iat"`
	}
	all := claimSet{}
	if verified.Claims(&claims) != nil || verified.Claims(&all) != nil {
		return identity{}, invalid("its claims are not valid")
	}
	switch life := verified.Expiry.Sub(verified.IssuedAt); {
	case claims.IssuedAt == nil:
		return identity{}, invalid("it does not say when it was issued")
	case verified.IssuedAt.After(now.Add(openid.ClockSkew)):
		return identity{}, invalid("it was issued in the future; compare the clocks")
	case life > maxTokenLife:
		return identity{}, invalid("it lives for %s, longer than %s", life, maxTokenLife)
	case verified.Subject == "" || len(verified.Subject) > subjectMax ||
		slices.ContainsFunc([]rune(verified.Subject), unprintableButSpace):
		return identity{}, invalid("its subject is empty, too long, or not printable")
	}
	return identity{
		issuer: issuer, subject: verified.Subject, id: claims.ID, audience: verified.Audience,
		expires: verified.Expiry, claims: all,
	}, nil
}

func unprintableButSpace(r rune) bool { return r != ' ' && unprintable(r) }

// remembering keeps the error of the keys, which the library turns into text.
type remembering struct {
	next oidc.KeySet
	err  error
}

func (r *remembering) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := r.next.VerifySignature(ctx, token)
	if errors.Is(err, errSignature) {
		r.err = &InvalidError{errSignature.Error()}
	} else {
		r.err = err
	}
	return payload, err
}
