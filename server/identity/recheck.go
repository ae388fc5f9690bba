package identity

import (
	"context"
	"errors"
	"time"

	"golang.org/x/oauth2"

	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/openid"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

const (
	// retryCheck is the pause after a check that failed, and how long one server has for a check.
	retryCheck = time.Minute
	// endedByProvider is the actor who revokes a session that the provider does not renew.
	endedByProvider = "sign-in provider"
)

// recheck reads the person again with the refresh token, when it is time. While the provider is unreachable a
// session goes on with its old groups, but not for long.
func (s *Service) recheck(
	ctx context.Context, token apikey.Key, session *store.Session,
) (*store.Session, error) {
	now := s.now()
	if session.RefreshToken == "" || now.Before(session.CheckFrom) {
		return session, s.tooOld(session)
	}
	// The check must end even if the client disconnects: the refresh token may have been spent.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*openid.CallTimeout)
	defer cancel()
	mine, err := s.sessions.ClaimSessionCheck(ctx, *session, now.Add(retryCheck))
	if err != nil {
		return nil, err
	}
	if !mine { // another request asks
		return session, s.tooOld(session)
	}
	checked, err := s.refresh(ctx, token, *session)
	var (
		provider *ProviderError
		refused  *RefusedError
	)
	switch {
	case err == nil:
		s.counts.SignIn("recheck", "ok")
		return checked, nil
	case errors.As(err, &refused), errors.As(err, &provider) && provider.Code == "invalid_grant":
		s.counts.SignIn("recheck", "refused")
		return nil, s.end(ctx, session, err)
	}
	s.counts.SignIn("recheck", result(err))
	s.logger.Warn("cannot confirm the groups of a session, trying again", "session", session.ID,
		"confirmed", session.CheckedAt, "error", err)
	return session, s.tooOld(session)
}

// tooOld refuses a session whose groups could not be confirmed for too long.
func (s *Service) tooOld(session *store.Session) error {
	if session.RefreshToken == "" || s.now().Sub(session.CheckedAt) < s.config.maxGroupsAge() {
		return nil
	}
	refusal := problem.Newf(problem.ProviderUnavailable, "the sign-in provider %s has not confirmed the groups of "+
		"%s for %s; API keys still work", s.config.ProviderName(), session.Person.Actor,
		period(s.config.maxGroupsAge()))
	refusal.RetryAfter = retryCheck
	return refusal
}

// refresh reads the person again and stores the result.
func (s *Service) refresh(ctx context.Context, token apikey.Key, session store.Session) (*store.Session, error) {
	text, err := openToken(token, session.RefreshToken)
	if err != nil {
		return nil, err
	}
	d, err := s.provider.discover(ctx)
	if err != nil {
		return nil, err
	}
	client := s.config.Client
	if session.Kind == store.SessionCLI {
		client = s.config.DeviceClient
	}
	source := s.provider.oauth(d, client).TokenSource(s.provider.with(ctx), &oauth2.Token{RefreshToken: text})
	renewed, err := source.Token()
	if err != nil {
		return nil, s.provider.failed("renew the session", err)
	}
	person, err := s.renewedPerson(ctx, d, tokens{Token: renewed, client: client}, session.Person.Subject)
	if err != nil {
		return nil, err
	}
	if err := s.check(person); err != nil {
		return nil, err
	}
	session.Person, session.CheckedAt = person, s.now()
	session.CheckFrom = session.CheckedAt.Add(s.config.Recheck)
	if session.RefreshToken, err = sealToken(token, renewed.RefreshToken); err != nil {
		return nil, err
	}
	if err := s.sessions.UpdateSessionChecked(ctx, session); err != nil {
		return nil, err
	}
	return &session, nil
}

// renewedPerson reads the person from the ID token, which providers may leave out here, or from userinfo.
func (s *Service) renewedPerson(
	ctx context.Context, d *discovery, t tokens, subject string,
) (store.Person, error) {
	if raw, ok := t.Extra("id_token").(string); ok && raw != "" {
		person, err := s.provider.person(ctx, d, t)
		if err == nil && person.Subject != subject {
			err = &RefusedError{Reason: "the sign-in provider renewed the session for another person"}
		}
		return person, err
	}
	if d.UserInfoEndpoint() == "" {
		return store.Person{}, &ProviderError{Name: s.config.ProviderName(),
			Detail: "it renewed a session without saying whose it is"}
	}
	return s.provider.describe(ctx, d, t, subject, claims{})
}

// end revokes a session that the provider or the configuration does not want any more.
func (s *Service) end(ctx context.Context, session *store.Session, why error) error {
	origin := store.OriginOf(ctx)
	origin.Kind = store.ActorSystem
	ctx = store.WithOrigin(ctx, origin)
	err := s.sessions.RevokeSession(ctx, session.ID, endedByProvider, why.Error())
	var gone *store.Error
	if err != nil && !(errors.As(err, &gone) && gone.Code == store.NotFound) {
		return err
	}
	s.logger.Info("session ended by the sign-in provider", "session", session.ID,
		"user", session.Person.Actor, "reason", why.Error())
	return problem.Newf(problem.Unauthenticated,
		"the sign-in provider %s did not renew the session; sign in again", s.config.ProviderName())
}
