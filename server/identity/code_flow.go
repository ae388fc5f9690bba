package identity

import (
	"context"
	"crypto/rand"
	"net/url"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/berth-dev/berth/server/store"
)

// CodeFlow is a sign-in that a browser has begun. The browser keeps it in a cookie: state and nonce bind the
// provider's answer to this browser, and the verifier binds the code to this sign-in (PKCE).
type CodeFlow struct {
	State, Nonce, Verifier string
}

// NewCodeFlow returns a flow with fresh secrets.
func NewCodeFlow() CodeFlow {
	return CodeFlow{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier()}
}

// AuthURL is the page of the provider where the person signs in.
func (s *Service) AuthURL(ctx context.Context, flow CodeFlow) (string, error) {
	d, err := s.provider.discover(ctx)
	if err != nil {
		return "", err
	}
	config := s.provider.oauth(d, s.config.Client)
	config.RedirectURL = s.config.RedirectURL()
	return config.AuthCodeURL(flow.State, oauth2.S256ChallengeOption(flow.Verifier), oidc.Nonce(flow.Nonce)), nil
}

// FinishCodeFlow checks the provider's answer, which is the query of the callback, and returns the person and
// the refresh token.
func (s *Service) FinishCodeFlow(
	ctx context.Context, flow CodeFlow, answer url.Values,
) (store.Person, string, error) {
	// The state comes first: nothing of an answer to another sign-in may be looked at.
	if flow.State == "" || !equal(answer.Get("state"), flow.State) {
		return store.Person{}, "", &RefusedError{
			Reason: "this sign-in was not begun in this browser, or it took too long; sign in again",
		}
	}
	if code := answer.Get("error"); code != "" {
		return store.Person{}, "", &ProviderError{
			Name: s.config.ProviderName(), Code: code, Detail: "it answered " + clip(code),
		}
	}
	d, err := s.provider.discover(ctx)
	if err != nil {
		return store.Person{}, "", err
	}
	issuer := answer.Get("iss")
	if issuer != "" && issuer != s.config.Issuer || issuer == "" && d.issuerInResponse {
		return store.Person{}, "", &RefusedError{Reason: "the answer comes from another sign-in provider"}
	}
	config := s.provider.oauth(d, s.config.Client)
	config.RedirectURL = s.config.RedirectURL()
	token, err := config.Exchange(s.provider.with(ctx), answer.Get("code"), oauth2.VerifierOption(flow.Verifier))
	if err != nil {
		return store.Person{}, "", s.provider.failed("exchange the code", err)
	}
	return s.admit(ctx, d, tokens{Token: token, client: s.config.Client, nonce: flow.Nonce})
}

// admit reads the person from tokens and refuses whoever has no role here.
func (s *Service) admit(ctx context.Context, d *discovery, t tokens) (store.Person, string, error) {
	person, err := s.provider.person(ctx, d, t)
	if err != nil {
		return person, "", err
	}
	if err := s.check(person); err != nil {
		return person, "", err
	}
	return person, t.RefreshToken, nil
}
