package identity

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/berth-dev/berth/server/openid"
	"github.com/berth-dev/berth/server/outbound"
	"github.com/berth-dev/berth/server/store"
)

const (
	// failureCached keeps requests from queueing up for a provider that is down.
	failureCached = 2 * time.Second
	// rediscover is how often the provider's endpoints are read again.
	rediscover = time.Hour
)

// provider is the company's OpenID Connect provider. It is discovered at the first use, so that the server
// starts, and API keys work, while the provider is down.
type provider struct {
	config Config
	http   *http.Client
	now    func() time.Time

	mu         sync.Mutex
	discovered *discovery
	failure    error // of the last attempt, while nothing is discovered
	failedAt   time.Time
}

// discovery is what the provider says about itself.
type discovery struct {
	*oidc.Provider
	at         time.Time
	algorithms []string
	// postsSecret is true if the client secret belongs into the body of requests, not into a header.
	postsSecret      bool
	deviceURL        string
	revocationURL    string
	signOutURL       string
	issuerInResponse bool
}

func newProvider(c Config, now func() time.Time) (*provider, error) {
	var authorities *x509.CertPool
	if c.CAFile != "" {
		text, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read certificate authorities of the sign-in provider: %w", err)
		}
		if authorities, err = outbound.Authorities(text); err != nil {
			return nil, fmt.Errorf("%s: %w", c.CAFile, err)
		}
	}
	return &provider{config: c, now: now, http: openid.NewClient(authorities)}, nil
}

// with returns a context in which the OpenID Connect and OAuth libraries use the provider's HTTP client.
func (p *provider) with(ctx context.Context) context.Context { return oidc.ClientContext(ctx, p.http) }

// discover returns what the provider says about itself, at most an hour old while the provider answers.
func (p *provider) discover(ctx context.Context) (*discovery, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.discovered != nil && p.now().Sub(p.discovered.at) < rediscover {
		return p.discovered, nil
	}
	if p.failure != nil && p.now().Sub(p.failedAt) < failureCached {
		return nil, p.failure
	}
	ctx, cancel := context.WithTimeout(ctx, openid.CallTimeout)
	defer cancel()
	found, err := p.read(ctx)
	switch {
	case err == nil:
		p.discovered, p.failure = found, nil
	case p.discovered == nil:
		p.failure, p.failedAt = err, p.now()
		return nil, err
	default:
		p.discovered.at = p.now() // the old one is as good as ever; do not ask with every request
	}
	return p.discovered, nil
}

func (p *provider) read(ctx context.Context) (*discovery, error) {
	// NewProvider refuses a document of another issuer.
	found, err := oidc.NewProvider(p.with(ctx), p.config.Issuer)
	if err != nil {
		return nil, p.failed("read the configuration of the provider", err)
	}
	var document struct {
		Algorithms  []string `json:"id_token_signing_alg_values_supported"`
		AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
		JWKSURL     string   `json:"jwks_uri"`
		DeviceURL   string   `json:"device_authorization_endpoint"`
		RevokeURL   string   `json:"revocation_endpoint"`
		SignOutURL  string   `json:"end_session_endpoint"`
		IssuerInURL bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := found.Claims(&document); err != nil {
		return nil, p.failed("read the configuration of the provider", err)
	}
	d := &discovery{
		Provider: found, at: p.now(), deviceURL: document.DeviceURL, revocationURL: document.RevokeURL,
		signOutURL:       document.SignOutURL,
		issuerInResponse: document.IssuerInURL,
		algorithms: slices.DeleteFunc(openid.Algorithms(), func(name string) bool {
			return len(document.Algorithms) > 0 && !slices.Contains(document.Algorithms, name)
		}),
		// client_secret_basic is the default of the specification.
		postsSecret: len(document.AuthMethods) > 0 && !slices.Contains(document.AuthMethods, "client_secret_basic"),
	}
	if len(d.algorithms) == 0 {
		return nil, &ProviderError{Name: p.config.ProviderName(),
			Detail: "it signs ID tokens with none of the algorithms that Berth accepts: " +
				strings.Join(openid.Algorithms(), ", ")}
	}
	urls := []string{found.Endpoint().AuthURL, found.Endpoint().TokenURL, document.JWKSURL, d.deviceURL,
		d.revocationURL, d.signOutURL, found.UserInfoEndpoint()}
	for _, address := range urls {
		if address != "" && openid.CheckURL(address) != nil {
			return nil, &ProviderError{Name: p.config.ProviderName(), Detail: "it names an address without https"}
		}
	}
	return d, nil
}

// oauth returns the OAuth configuration of one of Berth's registrations.
func (p *provider) oauth(d *discovery, client Client) *oauth2.Config {
	endpoint := d.Endpoint()
	endpoint.DeviceAuthURL = d.deviceURL
	// Without a style the library tries one after the other, which spends codes that work only once.
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if d.postsSecret || client.Secret == "" {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{
		ClientID: client.ID, ClientSecret: client.Secret, Endpoint: endpoint, Scopes: p.config.Scopes,
	}
}

// tokens are what the token endpoint has answered.
type tokens struct {
	*oauth2.Token
	client Client
	nonce  string // that the ID token must have; empty if none was sent
}

// person checks the ID token and reads the person from it, and from userinfo if the token has no groups.
func (p *provider) person(ctx context.Context, d *discovery, t tokens) (store.Person, error) {
	raw, ok := t.Extra("id_token").(string)
	if !ok || raw == "" {
		return store.Person{}, &ProviderError{Name: p.config.ProviderName(), Detail: "it sent no ID token"}
	}
	token, from, err := p.verify(ctx, d, t, raw)
	if err != nil {
		return store.Person{}, err
	}
	return p.describe(ctx, d, t, token.Subject, from)
}

// describe reads the person from claims, and from userinfo if they have no groups.
func (p *provider) describe(
	ctx context.Context, d *discovery, t tokens, subject string, from claims,
) (store.Person, error) {
	groups, found, err := from.groups(p.config.GroupsClaim)
	if err == nil && (!found || from.text("email") == "") && d.UserInfoEndpoint() != "" {
		info, infoErr := p.userInfo(ctx, d, t, subject)
		if infoErr != nil {
			return store.Person{}, infoErr
		}
		for name, value := range info {
			if _, known := from[name]; !known {
				from[name] = value
			}
		}
		groups, _, err = from.groups(p.config.GroupsClaim)
	}
	if err != nil {
		return store.Person{}, &RefusedError{Reason: err.Error()}
	}
	return p.config.person(p.config.Issuer, subject, from, groups), nil
}

func (p *provider) userInfo(ctx context.Context, d *discovery, t tokens, subject string) (claims, error) {
	info, err := d.UserInfo(p.with(ctx), oauth2.StaticTokenSource(t.Token))
	if err != nil {
		return nil, p.failed("read the person from the provider", err)
	}
	if info.Subject != subject { // of another person than the ID token
		return nil, &ProviderError{Name: p.config.ProviderName(), Detail: "it described another person"}
	}
	var from claims
	if err := info.Claims(&from); err != nil {
		return nil, p.failed("read the person from the provider", err)
	}
	return from, nil
}

// verify checks signature, algorithm, issuer, audience, authorized party, times, nonce and access token hash.
func (p *provider) verify(ctx context.Context, d *discovery, t tokens, raw string) (*oidc.IDToken, claims, error) {
	invalid := func(format string, args ...any) error {
		return &ProviderError{Name: p.config.ProviderName(), Detail: "its ID token is not valid: " +
			fmt.Sprintf(format, args...)}
	}
	token, err := d.Verifier(&oidc.Config{
		ClientID: t.client.ID, SupportedSigningAlgs: d.algorithms,
		// The library compares exactly. A clock that lags as far as clocks may differ makes room.
		Now: func() time.Time { return p.now().Add(-openid.ClockSkew) },
	}).Verify(p.with(ctx), raw)
	if err != nil {
		return nil, nil, p.tokenError(err)
	}
	var from claims
	if err := token.Claims(&from); err != nil {
		return nil, nil, invalid("%v", err)
	}
	party := from.text("azp")
	switch {
	case token.Subject == "":
		return nil, nil, invalid("it names no person")
	case t.nonce != "" && !equal(token.Nonce, t.nonce):
		return nil, nil, invalid("it belongs to another sign-in")
	case party != "" && party != t.client.ID, party == "" && len(token.Audience) > 1:
		return nil, nil, invalid("it was issued to another client")
	case token.IssuedAt.After(p.now().Add(openid.ClockSkew)):
		return nil, nil, invalid("it was issued in the future; compare the clocks of provider and server")
	}
	if token.AccessTokenHash != "" {
		if err := token.VerifyAccessToken(t.AccessToken); err != nil {
			return nil, nil, invalid("it belongs to another access token")
		}
	}
	return token, from, nil
}

// tokenError tells an ID token that is wrong from keys that cannot be read.
func (p *provider) tokenError(err error) error {
	var expired *oidc.TokenExpiredError
	detail := "its ID token is not valid"
	switch {
	case strings.Contains(err.Error(), "fetching keys"):
		return p.failed("read the keys of the provider", err)
	case errors.As(err, &expired):
		detail = "its ID token has expired; compare the clocks of provider and server"
	}
	return &ProviderError{Name: p.config.ProviderName(), Detail: detail, Err: safe(err)}
}

// failed returns the error of a call of the provider: what the provider refuses, or that it cannot be reached.
func (p *provider) failed(what string, err error) error {
	var answered *oauth2.RetrieveError
	var mismatch *oidc.IssuerMismatchError
	switch {
	case errors.As(err, &mismatch):
		return &ProviderError{Name: p.config.ProviderName(), Detail: fmt.Sprintf(
			"%s: it calls itself %s; set the issuer to exactly that", what, mismatch.Discovered)}
	case errors.As(err, &answered) && answered.Response != nil &&
		answered.Response.StatusCode < http.StatusInternalServerError:
		return &ProviderError{Name: p.config.ProviderName(), Code: answered.ErrorCode,
			Detail: what + ": " + answeredText(answered)}
	}
	return &UnreachableError{Name: p.config.ProviderName(), What: what, Err: safe(err)}
}

// safe returns an error that may be logged. An answer of the provider may hold tokens, so that only its status
// remains.
func safe(err error) error {
	var answered *oauth2.RetrieveError
	if errors.As(err, &answered) && answered.Response != nil {
		return fmt.Errorf("status %d", answered.Response.StatusCode)
	}
	return errors.New(clip(err.Error()))
}

func answeredText(e *oauth2.RetrieveError) string {
	switch {
	case e.ErrorDescription != "":
		return "it answered " + e.ErrorCode + ": " + clip(e.ErrorDescription)
	case e.ErrorCode != "":
		return "it answered " + e.ErrorCode
	}
	return fmt.Sprintf("it answered with status %d", e.Response.StatusCode)
}
