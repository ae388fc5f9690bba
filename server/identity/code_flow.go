package identity

import (
	"context"
	"crypto/rand"
	"net/url"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
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

// FinishCodeFlow checks the provider's answer, which is the query of the callback, and returns who has signed in.
func (s *Service) FinishCodeFlow(ctx context.Context, flow CodeFlow, answer url.Values) (SignIn, error) {
	// The state comes first: nothing of an answer to another sign-in may be looked at.
	if flow.State == "" || !equal(answer.Get("state"), flow.State) {
		return SignIn{}, &RefusedError{
			Reason: "this sign-in was not begun in this browser, or it took too long; sign in again",
		}
	}
	if code := answer.Get("error"); code != "" {
		return SignIn{}, &ProviderError{
			Name: s.config.ProviderName(), Code: code, Detail: "it answered " + clip(code),
		}
	}
	d, err := s.provider.discover(ctx)
	if err != nil {
		return SignIn{}, err
	}
	issuer := answer.Get("iss")
	if issuer != "" && issuer != s.config.Issuer || issuer == "" && d.issuerInResponse {
		return SignIn{}, &RefusedError{Reason: "the answer comes from another sign-in provider"}
	}
	config := s.provider.oauth(d, s.config.Client)
	config.RedirectURL = s.config.RedirectURL()
	token, err := config.Exchange(s.provider.with(ctx), answer.Get("code"), oauth2.VerifierOption(flow.Verifier))
	if err != nil {
		return SignIn{}, s.provider.failed("exchange the code", err)
	}
	return s.admit(ctx, d, tokens{Token: token, client: s.config.Client, nonce: flow.Nonce})
}

// admit reads the person from tokens and refuses whoever has no role here.
func (s *Service) admit(ctx context.Context, d *discovery, t tokens) (SignIn, error) {
	person, err := s.provider.person(ctx, d, t)
	if err != nil {
		return SignIn{}, err
	}
	if err := s.check(person); err != nil {
		return SignIn{}, err
	}
	idToken, _ := t.Extra("id_token").(string) // it is there: the person was read from it
	return SignIn{Person: person, RefreshToken: t.RefreshToken, IDToken: idToken}, nil
}
